"""conformance.world: where a clause is judged, and the judge's eyes.

namespaces.py   a fresh network, mount and process namespace for one case; containers' namespaces in it
looking.py      what `ip -j`, `nft -j` and `tc -j` show, here or in a namespace
dumps.py        everything of a namespace as sorted lines, and what differs between two dumps
given.py        what stands around a plugin: an uplink with a default route, and for chained plugins an
                interface
sockets.py      sockets opened inside a namespace, used from outside
waiting.py      looks with a deadline
"""
