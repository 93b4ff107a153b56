"""A Kubernetes API server of Nodes alone, in this process: what 1.36 answers, and faults on demand.

objects  the Nodes, their history, patches and field managers
server   HTTP: lists in pages, watches with bookmarks, refusals, dropped connections
"""
