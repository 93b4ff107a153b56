"""firewall: let a container's packets be forwarded, and keep networks apart where that is asked.

config.py its keys, plan.py what an ADD does, plugin.py the verbs. Imported by the registry only.
"""
