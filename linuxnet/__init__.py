"""The only room that talks to Linux: links, addresses, routes, nft, iptables, tc, conntrack, sysctls.

    numbers.py    marks, tables, priorities and names in use: one commented table
    owner.py      Attachment, and the mark every object of ours carries
    errors.py     what the kernel, nft or iptables refused, as a sentence
    netns.py      namespaces: open, enter, compare; why a namespace is a socket you hold
    netlink_wire.py, netlink_socket.py   netlink's messages as bytes; one socket that asks and answers
    rtnetlink.py, rtnetlink_answers.py   rtnetlink's changes as bytes, its answers as values
    netlink.py    one rtnetlink socket: typed look-ups, requests that explain their failure
    pyroute.py    pyroute2's socket, for shaping and bridge VLANs
    memory.py     what a process keeps open between requests
    together.py   doing at once what comes at once
    unlinking.py, link_deletion.py   deleting links, as a group; until they have gone, and no longer
    kernel.py     Kernel: the host and one container, the door through which operations act
    packed.py     addresses as the kernel has them, and as people write them
    op.py         what an operation is: a frozen value that prints as the command it stands for
    undo.py       UndoLog: take back what was done, keep the cause
    shared.py     what several attachments share, and how a failing ADD leaves it alone
    links.py      links: bridge, veth, state, deletion        ports.py   bridge ports and their VLANs
    addresses.py  addresses    routes.py  routes    neighbours.py  neighbours    sysctls.py  /proc/sys/net
    ipv4_conf.py  a link's IPv4 settings by netlink
    wait.py       waiting for a link by event
    nft.py, nft_rules.py, nft_conditions.py   libnftables in process; the static rules (podwire.nft)
    nft_element.py, nft_elements.py           elements: values, and what adds and removes them
    ruleset.py    nf_tables by netlink, and what is known of it as of a generation
    nft_keys.py, nft_messages.py, nft_index.py   keys and messages as bytes; elements by owner
    iptables.py         the iptables backend, for hosts that ask for it
    masquerade.py       what makes a pod's traffic to the outside take the host's address
    hostports*.py       what leads from a host port to a pod, in either backend, and its removal
    hostport_slots.py, nft_slots.py   host ports that several pods share
    neighbour_frames.py, neighbour_sockets.py   ARP and neighbour discovery beside the kernel's own
    forwarding.py, firewalld.py   what lets a pod's packets pass, and whom they are kept from
    forward_chains.py   who else may stop a forwarded packet    vxlan_ports.py  who has which tunnel port
    service_table.py    the service proxy's table   service_rules.py (services.nft)   its rules
    service_entries.py, service_wire.py, service_batches.py   its elements as values, and as messages
    service_chains.py, service_affinity.py, service_changes.py   how endpoints are chosen; clients that are
                  remembered; others' changes
    conntrack.py  forgetting flows    tc.py  shaping    vlan_gateway.py  the gateway inside a VLAN
    joining.py    namespaces of all kinds, for forked processes
    scratch.py    a namespace of one's own, to try in what a kernel can

It knows Linux and nothing of CNI: what it raises is in errors.py, and the plugins' front door gives it a
code. Plugins, the overlay and the proxy import it; it imports no other room.
"""
