"""A runtime: what libcni does, in order and readable. It meets plugins by exec, ours and foreign alike.

lists.py    configuration files -> NetworkList
derive.py   a list and what the caller wants -> what one plugin reads on stdin (pure)
invoke.py   one execution of one plugin: environment, stdin, bounded output, deadline
cache.py    what was attached, in libcni's files
locks.py    one operation a container; no ADD or DEL while GC runs
runtime.py  the five operations
"""
