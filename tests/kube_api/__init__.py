"""A Kubernetes API server of a few kinds, in this process: what 1.36 answers, and faults on demand.

collection  objects of a kind: history, pages
objects     Nodes, with patches and field managers
selecting   label and field selectors
server      HTTP: lists in pages, watches with bookmarks, refusals, dropped connections
"""
