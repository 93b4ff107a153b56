"""overlay, also called flannel: attach a container to this node's subnets, by way of bridge or ptp.

config.py its keys, lease_file.py the node's lease and the wait for it, plan.py the delegate's configuration,
records.py what an ADD leaves for the verbs after it, adopted.py CHECK of what flannel's plugin attached,
plugin.py the verbs. Imported by the registry only.
"""
