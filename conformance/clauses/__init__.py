"""conformance.clauses: the clauses of plugins, a module a subject; each ends with CLAUSES, by number.

verbs.py             1: CNI_COMMAND
errors.py            3, 4, 9: what all failures have in common
error_codes.py       5 to 8: the codes for what any plugin can meet
interface_names.py   2, 10, 12: CNI_IFNAME
results.py           11, 14 to 16: what ADD prints, by version
chaining.py          13: prevResult
failed_adds.py       17, 18: what an ADD that failed leaves
"""
