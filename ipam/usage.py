"""How full pools are: for STATUS, and for the error of an ADD that finds none left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipam.keys import key_of
from ipam.pools import RangeSet
from ipam.store import Store


@dataclass(frozen=True)
class Usage:
    """How full a pool is. What is `remembered` for pods that are away is given when all else is gone."""

    pool: RangeSet
    size: int
    taken: int
    cooling: int
    remembered: int

    @property
    def available(self) -> int:
        """Return how many ADDs the pool can serve now."""
        return self.size - self.taken - self.cooling

    def __str__(self) -> str:
        return (
            f"{self.available} of {self.size} free, {self.taken} taken, {self.cooling} cooling in {self.pool}"
        )


def usage(store: Store, pools: Sequence[RangeSet]) -> list[Usage]:
    """Count, pool by pool."""
    store.thaw(-1)
    return [count_pool(store, pool) for pool in pools]


def usage_at_best(store: Store, pools: Sequence[RangeSet]) -> list[Usage]:
    """Count, having looked for left-overs where a pool seems used up: what the next ADD would do."""
    counted = usage(store, pools)
    if all(one.available > 0 for one in counted):
        return counted
    store.look_again()
    return usage(store, pools)


def taken_gateways(store: Store, pools: Sequence[RangeSet]) -> list[str]:
    """Name gateways' addresses that somebody holds: "10.0.0.1 is reserved for ID IFNAME"."""
    gateways = {part.gateway for pool in pools for part in pool.ranges if part.gateway is not None}
    held = ((address, store.index.get(key_of(address))) for address in sorted(gateways))
    return [f"{address} is reserved for {one.owner}" for address, one in held if one]


def count_pool(store: Store, pool: RangeSet) -> Usage:
    """Count one pool."""
    spans = [span for part in pool.usable for span in part]
    taken = sum(store.index.count("reservations", span) for span in spans)
    cooling = sum(store.index.count("cooling", span) for span in spans)
    remembered = sum(store.index.count("idle", span) for span in spans)
    return Usage(pool, pool.size, taken, cooling, remembered)
