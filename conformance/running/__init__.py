"""conformance.running: which clause on which plugin, each in a process and namespaces of its own.

verdict.py   what came of one clause on one plugin
judging.py   one case: a clause on a plugin in its world
child.py     the child that judges it in namespaces of its own, and ends with all that it started
run.py       a whole run: every task, in parallel, its verdicts as they come
pool.py      pieces of work in processes of their own, some at once
progress.py  what is told on stderr meanwhile
daemon.py    a program that serves the plugins of one world
finding.py   the plugins of a folder: their versions, their profiles
"""
