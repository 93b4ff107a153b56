"""conformance.clauses: the clauses of plugins, a module a subject; each ends with CLAUSES, by number.

interface_names.py   2, 12: CNI_IFNAME
"""
