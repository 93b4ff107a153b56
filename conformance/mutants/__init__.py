"""conformance.mutants: plugins that break exactly one rule; each must be caught by its clause alone.

mutant.py      what a mutant is; the executable that stands for one
wrapping.py    what that executable runs: the mutant around a good plugin
table.py       which clause catches which mutant, around the good models
catalogue.py   all of them, by the number of their clause
"""
