"""host-local: addresses from ranges, kept as files on this machine. The reference's plugin and more.

config.py its keys, plan.py which pools and which requested addresses that makes, resolv_conf.py the name
servers, plugin.py the verbs. The pools themselves are ipam's. Imported by the registry only.
"""
