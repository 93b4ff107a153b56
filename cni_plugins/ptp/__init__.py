"""ptp: connect a container to the host by a veth pair alone; every packet is routed by the host.

config.py its keys, plan.py what an ADD does, plugin.py the verbs. Imported by the registry only.
"""
