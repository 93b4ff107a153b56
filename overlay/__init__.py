"""Pods of many nodes in one network: who owns which subnet, and how packets get there.

What a node shares, pure:
    subnet        networks as numbers
    record        what one node tells the others
    flannel_form  that record as flannel writes it, in etcd and on Kubernetes Nodes
    net_conf      the network's configuration, flannel's net-conf.json

Kubernetes as the registry:
    kubernetes_node  what is read from a Node, what is written on it; pure
    node_objects     the registry
    node_following   following the Nodes, by metadata where that is enough
    net_conf_file    the configuration in a file

Imports `linuxnet`, `cni_spec` and `cluster_store`; is imported by `podwire`.
"""
