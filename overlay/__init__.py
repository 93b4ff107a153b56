"""Pods of many nodes in one network: who owns which subnet, and how packets get there.

What a node shares, pure:
    subnet        networks as numbers
    record        what one node tells the others
    flannel_form  that record as flannel writes it, in etcd and on Kubernetes Nodes
    net_conf      the network's configuration, flannel's net-conf.json

Imports `linuxnet`, `cni_spec` and `cluster_store`; is imported by `podwire`.
"""
