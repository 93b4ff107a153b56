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
    nft.py, nft_*.py    libnftables in process; the static rules (podwire.nft), their elements, conditions
    iptables.py         the iptables backend, for hosts that ask for it
    masquerade.py       what makes a pod's traffic to the outside take the host's address
    hostports*.py       what leads from a host port to a pod, in either backend, and its removal
    forwarding.py, firewalld.py   what lets a pod's packets pass, and whom they are kept from
    conntrack.py  forgetting flows    tc.py  shaping    vlan_gateway.py  the gateway inside a VLAN
    scratch.py    a namespace of one's own, to try in what a kernel can

It knows Linux and nothing of CNI: what it raises is in errors.py, and the plugins' front door gives it a
code. Plugins, the overlay and the proxy import it; it imports no other room.
"""
