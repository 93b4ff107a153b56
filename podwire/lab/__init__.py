"""Several nodes on one machine, in namespaces that end together (`podwire lab`).

    blueprint    what a lab is to be: addresses, names, the files of its nodes; pure
    folder       its folder: what was asked for, logs, a lock    places   where that is
    rootless     an ordinary user's lab: its user namespace, and what it lacks
    finding      what of it is alive, found in /proc; ending it
    inside       doing something in a node: a function in a forked child, or a program
    ground       process 1 of the lab, the segments, the router, etcd
    nodes        process 1 of a node, its cable, its files, its agent
    own_folders  a node's own /etc, /opt and /var
    leases       which subnets the nodes got, and waiting for them
    pods         pods by the real plugin executables
    web          the server of a pod, a program        asking   a client, a program
    clients      the same client in a pod, a node or the underlay
    objects      nodes and pods as objects that services are made of
    settling     what the agents serve of services, and waiting for it
    building     all of that in order: up, down, a node more, a node less
    breaking     an agent killed, a cable cut, a registry out of reach; and mended
    applications  manifests that a lab begins with
    dying        a whole node killed
    reach        every pod pings every other        transfers    bytes over TCP between two pods
    looking      a lab as it is now
    errors       what can be wrong, as a sentence

Every process of a lab is below one process 1, so that killing that ends the lab. What a node keeps is in
memory of its own mount namespace; the machine holds the folder, and links in /run/netns.
"""
