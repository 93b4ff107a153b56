"""LoadBalancer addresses on the links of the nodes: one node has each, and says so by ARP and NDP.

balancing   what the catalogue says, for the speaker
holding     which node should have which address: pure
places      on which link an address is said
announcer   says it, and answers who asks; one thread
speaker     what nodes agree upon in a store: who lives, who has what; one thread
giver       where services come from an API server: writes the addresses into their status; one thread
giving      which services are due one: pure

Which address a service gets is `allotment`'s matter, as its ClusterIP is. Node, store and services come from
`service_proxy`; nothing there imports this package but who puts the proxy together.
"""
