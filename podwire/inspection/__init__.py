"""What an attachment owns: in the kernel, in files. Reads, changes nothing.

subject.py   a namespace or a container -> the attachments that are meant
things.py    Thing, one object with its owner
host.py      links, qdiscs, nft elements and rules, iptables rules
inside.py    the container's links, addresses and routes
files.py     reservations and cached results
"""
