"""conformance.mutants: plugins that break exactly one rule; each must be caught by its clause alone.

mutant.py      what a mutant is
wrapping.py    its executable, and what that runs: the mutant around a good plugin
deafness.py    a delegate that hears nothing, for plugins that forget theirs
memory.py      what mutants remember from call to call, and see for themselves
verbs.py, errors.py, error_codes.py, interface_names.py, results.py, failed_adds.py   1 to 18: calls, ADD
deleting.py    19 to 27: DEL
checking.py    28 to 36: CHECK
readiness.py   37 to 43: STATUS, VERSION
collecting.py  44 to 50: GC
delegation.py  51 to 54: concurrency, delegates
configuration.py  55 to 58: keys, names
robust_input.py, robust_trouble.py, datapath.py, fast.py   beyond the specification
catalogue.py   all of them, by the number of their clause
cells.py       which clause is judged on which mutant, around which good plugin or runtime
judging.py     these cells, to verdicts
table.py       who caught whom, and what of it is wrong
"""
