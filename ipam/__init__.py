"""Address pools: who holds which address of a network, in host-local's own files.

    pools.py      ranges and sets of ranges: what may be handed out. Pure values
    keys.py       addresses as bytes that sort, and as the names of files
    lock.py       flock(2) with a deadline
    directory.py  the reservations: one file an address, the format of the reference's host-local
    index.py      what makes ADD, DEL and CHECK O(log n): a hint, made anew whenever it is in doubt
    kept.py       indexes that stay open between operations
    sticky.py     addresses that are remembered for a pod's name: small, durable
    network.py    where all that lies
    store.py      one operation on a network: the lock held, the index in step with the directory
    survey.py     files that are not as they should be, for a person who looks
    allocator.py  the policy: round robin, requested and sticky addresses, release, check, GC
    usage.py      how full pools are: for STATUS

The directory is the truth, shared with the reference's plugin while both are in use. Imports cni_spec, the
standard library and netaddr, and nothing that talks to the kernel's network; cni_plugins and podwire
import it.
"""
