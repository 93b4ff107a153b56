"""conformance.datapath: what packets see; beyond the specification, by what a plugin's profile promises.

A profile's `promises` map a promise's name to the changes of its configuration that ask for it. A clause
whose promise is not among them is not applicable.

    promised.py     an attachment that was asked to keep a promise, and the addresses that matter
    roads.py        routes back, forwarding, hairpin: what stands around a plugin where packets are to flow
    talking.py      echoes, datagrams and connections between two namespaces, by one process
    frames.py       frames that an honest container does not send
    reaching.py     host, peers, segment, outside, loopback, largest packets      promises: host, peers, ...
    hiding.py       masquerade: who is seen, from outside and from within         masquerade
    refusing.py     spoofed senders, isolated containers, hairpin                 spoof-mac, isolation, ...
    host_ports.py   a host port from five vantage points                          hostport
    shaping.py      bandwidth, within 10 percent                                  bandwidth
"""
