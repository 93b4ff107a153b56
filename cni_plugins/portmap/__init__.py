"""portmap: lead ports of the host to a container.

config.py its keys, plan.py what an ADD does, plugin.py the verbs. Imported by the registry only.
"""
