"""conformance.runtime.mutants: the model runtime with one rule broken; each caught by its clause alone.

mutant.py          what a mutant is: a class of which one function differs from the model's
surroundings.py    mutants of clauses/surroundings.py
configuration.py   of clauses/configuration.py
results.py         of clauses/results.py
order.py           of clauses/order.py
occasions.py       of clauses/occasions.py and clauses/parallel.py
catalogue.py       all of them
forking.py         a runtime that is a Python function, started without a new interpreter
"""
