"""A pod's volumes, and the files of /etc that the node writes for it.

preparing       a pod's volumes -> folders of the node
mounting        a container's volumeMounts -> Mount values; pure but for the look at what subPath names
memory          volumes in memory: a mount namespace that outlives a supervisor
host_paths      hostPath, by its type
config_files    ConfigMaps, fields and resources as files: swapped as a whole when they change
fields          fieldRef and resourceFieldRef of a downwardAPI volume; pure
etc_files       /etc/hosts, /etc/hostname, /etc/resolv.conf
"""
