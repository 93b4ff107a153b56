"""Which node should have which address. Pure.

By rendezvous hashing: each node has a score for each address, the highest of those that may has it. So the
addresses spread, and a node that comes or goes moves its own ones only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from service_proxy.model import Address, EndpointSlice, Service

Candidates = frozenset[str] | None  # names of nodes; None: every node may


class Moves(NamedTuple):
    """What one node is to do."""

    release: frozenset[Address] = frozenset()
    take: frozenset[Address] = frozenset()


def candidates(service: Service, slices: Iterable[EndpointSlice]) -> Candidates:
    """Return who may have a service's addresses.

    With externalTrafficPolicy Local those nodes that have a ready endpoint: others would drop what comes.
    """
    if not service.is_local_outside:
        return None
    return frozenset(one.node for each in slices for one in each.endpoints if one.is_ready and one.node)


def chosen(address: Address, nodes: Collection[str]) -> str:
    """Return whose an address should be, "" if there is nobody."""
    return max(nodes, key=lambda node: (_score(address, node), node), default="")


def moves(
    own: str,
    wanted: Mapping[Address, Candidates],
    living: Collection[str],
    holders: Mapping[Address, str],
) -> Moves:
    """Return what a node releases and takes; what another one has is never taken, but waited for."""
    release = {address for address, node in holders.items() if node == own and address not in wanted}
    take = set()
    for address, nodes in wanted.items():
        able = [node for node in living if nodes is None or node in nodes]
        best, holder = chosen(address, able), holders.get(address)
        if holder == own != best:
            release.add(address)
        elif holder is None and best == own:
            take.add(address)
    return Moves(frozenset(release), frozenset(take))


def _score(address: Address, node: str) -> bytes:
    return hashlib.blake2b(address + node.encode("utf-8", "surrogatepass"), digest_size=8).digest()
