"""The only room that talks to Linux: links, addresses, routes, nft, iptables, tc, conntrack, sysctls.

    numbers.py    marks, tables, priorities and names in use: one commented table
    owner.py      Attachment, and the mark every object of ours carries
    errors.py     what the kernel, nft or iptables refused, as a sentence
    netns.py      namespaces: open, enter, compare; why a namespace is a socket you hold
    netlink.py    one rtnetlink socket: typed look-ups, requests that explain their failure
    kernel.py     Kernel: the host and one container, the door through which operations act
    op.py         what an operation is: a frozen value that prints as the command it stands for
    undo.py       UndoLog: take back what was done, keep the cause
    shared.py     what several attachments share, and how a failing ADD leaves it alone
    links.py      links: bridge, veth, state, deletion        ports.py   bridge ports and their VLANs
    addresses.py  addresses    routes.py  routes    neighbours.py  neighbours    sysctls.py  /proc/sys/net
    wait.py       waiting for a link by event
    nft*.py       libnftables in process, the static rules (podwire.nft) and their elements
    masquerade.py, hostports.py   what a pod's addresses and host ports are in either backend
    iptables.py   the iptables backend        vlan_gateway.py   the gateway inside a VLAN
    conntrack.py  forgetting flows     tc.py  shaping

It knows Linux and nothing of CNI but the error class it raises. Plugins, the overlay and the proxy import
it; it imports no other room.
"""
