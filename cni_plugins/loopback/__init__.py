"""loopback: bring the container's `lo` up. The smallest plugin, and the pattern of all.

config.py its keys, plan.py what an ADD does, plugin.py the verbs. Imported by the registry only.
"""
