"""What is there, drawn: nodes, their links and tunnels, pods, services, and who owns what (`podwire map`).

    model      the values: Map, Node, Link, Tunnel, Way, Pod, Service
    links      a node's links, tunnels and ways to other nodes, from the kernel
    pods       a node's pods: the runtime's cache of results, owners in link aliases, the runner's folders
    node       one node as a whole, with what its agent adds
    services   what a node's proxy serves
    gathering  a map of this node, or of all nodes of a lab
    structure  what follows from a map: segments, meshes, who stands where; pure
    grouping   many pods as few lines; pure
    words      names and numbers as a person reads them, and nothing that could steer a terminal
    terminal   a map as a tree of lines
    boxes      things as boxes without a place    picture  and with one
    columns, graphviz      two ways to give them one
    drawing    boxes, lines and text as SVG, and our pictures' colours; docs/ draws with it, too
    svg        a picture as SVG

Everything is read from the kernel and from files; nothing is written, and what cannot be read is a remark.
"""
