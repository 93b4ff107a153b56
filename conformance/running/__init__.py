"""conformance.running: which clause on which plugin, each in a process and namespaces of its own.

verdict.py   what came of one clause on one plugin
judging.py   one case, from fresh namespaces to its verdict, in a child that ends with all that it started
finding.py   the plugins of a folder: their versions, their profiles
"""
