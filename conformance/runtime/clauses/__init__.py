"""conformance.runtime.clauses: the clauses of runtimes, a module a subject; each ends with CLAUSES.

surroundings.py   59, 60, 82, 83: namespaces, names, CNI_PATH
configuration.py  61 to 64, 86: what a plugin reads
results.py        65, 66, 73, 81, 84: what goes from one call to the next
order.py          67 to 72, 85: who is called after whom, and what an error stops
occasions.py      74, 75, 78, 79, 80, 87: when a verb is called at all
parallel.py       76, 77: what must not go on at one time
asking.py         questions to the record that several of them have
"""
