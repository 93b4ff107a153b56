"""Pods of many nodes in one network: who owns which subnet, and how packets get there.

What a node shares, pure:
    subnet           networks as numbers
    record           what one node tells the others
    record_members   that record as JSON members, flannel's and ours
    flannel_form     as a lease in etcd; node_annotations: on a Kubernetes Node
    net_conf         the network's configuration, flannel's net-conf.json

Where it is shared:
    errors           what can be wrong with a lease
    registry         the interface, whatever store is below
    lease_keys       flannel's keys in a store, and ours beside them
    lease_table      which record stands for which key
    lease_choice     which subnets a node asks for; pure
    key_value        leases in a directory or in etcd
    key_value_following  following them; what a claim need not list
    kubernetes_node  what is read from a Node, what is written on it; pure
    node_objects     leases as Kubernetes Nodes
    node_following   following the Nodes, by metadata where that is enough
    net_conf_file    the configuration in a file
    opening          the registry that agent.toml names

What should be in the kernel, pure:
    place            where this node stands: tunnels, uplinks
    mtu              what each way takes from a packet
    admission        which records are believed
    ways             a record -> nexthops, neighbours, FDB entries, routes
    difference       wanted against seen

What makes it so:
    uplinks          the link towards the other nodes
    devices          the tunnels
    guarding         who may speak to them
    passage          other firewalls on the node
    programmer       all peers, or some

What is found out about the way:
    mesh             whom to ask
    path_search      how large a packet may be
    probe_wire       the packets
    probe_sockets    what they go by
    heartbeats       asking
    peers            all of that, for the other nodes

The node:
    settings         [overlay] of agent.toml
    state            what it remembers on disk
    subnet_env       what it tells CNI plugins
    inbox            what they tell the loop
    correspondents   the threads that read and write the registry
    offers           what it offers while its mode changes
    standing         finds out where it stands, and makes it so
    tenancy          what it has: configuration, lease, blocks
    timers           what is to be done when
    figures          what it counts
    upkeep           what the loop does when its time has come
    node             the loop
    reporting        what it says when asked

Imports `linuxnet`, `cni_spec` and `cluster_store`; is imported by `podwire`.
"""
