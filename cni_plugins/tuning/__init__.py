"""tuning: set sysctls and link attributes inside a container.

config.py its keys and where else they may come from, plan.py what an ADD does, backup.py what the link was
like before, plugin.py the verbs. Imported by the registry only.
"""
