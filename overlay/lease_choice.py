"""Which subnets a node asks for: those it had, or free ones. Pure.

Candidates come from a hash of the node's name, so that a thousand nodes that boot at once do not all ask for
the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from overlay.errors import BadRecord, NoLease
from overlay.flannel_form import lease_key, parse_lease_key
from overlay.lease_table import LeaseTable
from overlay.net_conf import NetConf, Pool
from overlay.record import NodeRecord
from overlay.subnet import Subnet

PROBES = 64  # candidates by hash before the free ones are counted


def own_lease(node: str, wanted: NodeRecord, table: LeaseTable, conf: NetConf) -> NodeRecord | None:
    """Find a lease that is a node's: by its name, or by the addresses that a flanneld wrote."""
    named = (one for one in table.records_of(node) if not one.block_of)
    addresses = [one for one in (wanted.public4, wanted.public6) if one]
    flannels = (one for address in addresses for one in table.records_of(address) if not one.node)
    fitting = (one for one in (*named, *flannels) if _fits(one.subnets, conf))
    return next((one for one in fitting if one.node or has_address(one, wanted)), None)


def remembered_lease(previous: Sequence[str], table: LeaseTable, conf: NetConf) -> tuple[Subnet, ...]:
    """Find a lease that a node's own file remembers, if nobody has any of it; () if there is none."""
    taken = [one for name in table.names() for one in subnets_of(name)]
    for subnets in map(subnets_of, previous):
        if _fits(subnets, conf) and not any(one.overlaps(other) for one in subnets for other in taken):
            return subnets
    return ()


def free_subnet(pool: Pool, table: LeaseTable, seed: str, registry: str) -> Subnet:
    """Return a free subnet. Raises NoLease with numbers and holders."""
    odd = [one for name in table.parts_but(pool.length) for one in subnets_of(name)]
    for index in _candidates(seed, pool.size):
        subnet = pool[index]
        if not table.has_subnet(lease_key((subnet,))) and not any(one.overlaps(subnet) for one in odd):
            return subnet
    dead = [name for name in table.names() if not _is_live(table.record(name))]
    hint = f"; {len(dead)} of nodes not heard of ({', '.join(dead[:3])}): `podwire overlay release KEY`"
    raise NoLease(f"{registry}: all {pool.size} subnets of {pool.network} are taken{hint if dead else ''}")


def subnets_of(name: str) -> tuple[Subnet, ...]:
    """Return the subnets that a lease's name says; a key that is no lease takes nothing from the pool."""
    try:
        return parse_lease_key(name)
    except BadRecord:
        return ()


def has_address(record: NodeRecord, mine: NodeRecord) -> bool:
    """Tell whether a record without a name is a node's: by every address that it says."""
    pairs = ((record.public4, mine.public4), (record.public6, mine.public6))
    return all(said == have for said, have in pairs if said)


def _candidates(seed: str, size: int) -> Iterator[int]:
    """Yield indexes: some spread by a hash of the node, then all."""
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    for k in range(min(PROBES, size)):
        yield (start + k * (k + 1) // 2) % size
    for k in range(size):
        yield (start + k) % size


def _fits(subnets: Sequence[Subnet], conf: NetConf) -> bool:
    """Tell whether a lease suits the configuration: one subnet of each family, inside the network."""
    if tuple(one.version for one in subnets) != conf.versions:
        return False
    return all((net := conf.network_of(one.version)) is not None and net.covers(one) for one in subnets)


def _is_live(record: object) -> bool:
    return not isinstance(record, NodeRecord) or record.is_live
