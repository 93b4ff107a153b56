"""conformance.commands: a module per command; each has `arguments(parser)` and `run(asked) -> exit status`.

plugin.py      which plugins, which clauses, in which way; judge them
runtime.py     which runtime, which clauses; judge it
clauses.py     `list`
explain.py     `explain`
init.py        `init`: a profile to begin from
profile.py     `profile schema|example|check`
compare.py     `compare`
self_test.py   `self-test`
options.py     the options that several have, and what they mean
output.py      where reports go
"""
