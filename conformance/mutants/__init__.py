"""conformance.mutants: plugins that break exactly one rule; each must be caught by its clause alone.

mutant.py      what a mutant is; the executable that stands for one
wrapping.py    what that executable runs: the mutant around a good plugin
deafness.py    a delegate that hears nothing, for plugins that forget theirs
memory.py      what mutants remember from call to call, and see for themselves
deleting.py    19 to 27: DEL
checking.py    28 to 36: CHECK
readiness.py   37 to 43: STATUS, VERSION
collecting.py  44 to 50: GC
delegation.py  51 to 54: concurrency, delegates
configuration.py  55 to 58: keys, names
table.py       which clause catches which mutant, around the good models
catalogue.py   all of them, by the number of their clause
"""
