"""conformance.clauses: the clauses of plugins, a module a subject; each ends with CLAUSES, by number.

verbs.py             1: CNI_COMMAND
errors.py            3, 4, 9: what all failures have in common
error_codes.py       5 to 8: the codes for what any plugin can meet
interface_names.py   2, 10, 12: CNI_IFNAME
results.py           11, 14 to 16: what ADD prints, by version
chaining.py          13: prevResult
failed_adds.py       17, 18: what an ADD that failed leaves
deleting.py          19, 20, 22, 23, 26, 27: DEL, again, with less than ADD had, without an ADD
deleting_ruins.py    21, 24, 25: DEL where something is missing already
checking.py          28, 33, 35, 36: CHECK where all is well
checking_damage.py   29 to 32, 34: CHECK where something was changed
"""
