"""bridge: join a container to a Linux bridge by a veth pair.

config.py its keys, plan.py what an ADD does, vlan_gateway.py the gateway inside a VLAN, plugin.py the
verbs. Imported by the registry only.
"""
