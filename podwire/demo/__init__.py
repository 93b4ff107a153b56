"""Show podwire at work: many nodes, and plugins under a real runtime, on a machine that is left as it was.

    many_nodes      the show of many nodes, in a lab
    services        the show of services, in the same lab
    application     the show of an application, in the same lab
    evenness        chi-square of counts

    world           private namespaces, mounts and cgroups, ended as one
    cgroups         the place of a world in the machine's cgroups
    busybox_image   container images made from the machine's own busybox
    plugin_folder   a CNI_PATH whose executables are chosen plugin by plugin
    conflists       the network configurations shown
    containerd      a containerd of its own inside a world
    node_agent      the agent that the executables ask, and what it tells of its times
    attach_times    a chain of plugins by exec, timed, ours or others'
    container       one container, run by containerd's ctr
    dumps           what a kernel holds, as plain values that can be compared
    show            the demonstration with containerd; `plain` is the one without it
    report          sentences on a terminal, coloured or not
    errors          what can end a show
    __main__        `python -m podwire.demo`

The tests of foreign runtimes (tests/clients) furnish themselves from here.
"""
