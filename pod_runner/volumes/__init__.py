"""A pod's volumes, and the files of /etc that the node writes for it.

preparing       a pod's volumes -> folders of the node
mounting        a container's volumeMounts -> Mount values
memory          volumes in memory, which outlive a supervisor
host_paths      hostPath, by its type
config_files    ConfigMaps, fields and resources as files: swapped as a whole when they change
etc_files       /etc/hosts, /etc/hostname, /etc/resolv.conf
usage           how much a pod takes on disk
"""
