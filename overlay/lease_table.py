"""The leases under a prefix, from a store's items: which record stands for which key. Pure.

flannel's value counts where it is there, since a flanneld may have rewritten it; where its time has run out,
the owner's does: a node whose agent has been down for a day keeps its subnets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from cluster_store.store import Event, Item
from overlay.flannel_form import OURS, BadRecord, load_lease
from overlay.lease_keys import Keys
from overlay.record import NodeRecord
from overlay.registry import Refused

RESERVED = "Reserved"  # in our member of a value: nobody's, and nobody may have it


class LeaseTable:
    """Items by what they are; records made of them when asked."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.leases: dict[str, Item] = {}
        self.owned: dict[str, Item] = {}
        self.allocs: dict[str, Item] = {}
        self.alive: dict[str, Item] = {}
        self.config: Item | None = None

    def fill(self, items: Iterable[Item]) -> None:
        """Begin anew with a snapshot's items."""
        for table in (self.leases, self.owned, self.allocs, self.alive):
            table.clear()
        self.config = None
        for item in items:
            self._put(item.key, item)

    def change(self, events: Iterable[Event]) -> tuple[set[str], set[str], bool]:
        """Take events; return the leases, the nodes whose liveness, and whether the configuration changed."""
        leases: set[str] = set()
        nodes: set[str] = set()
        config = False
        for event in events:
            kind, rest = self._put(event.key, event.item)
            if kind in ("subnets", "owned"):
                leases.add(rest)
            elif kind == "alive":
                nodes.add(rest)
            config = config or kind == "config"
        return leases, nodes, config

    def names(self) -> list[str]:
        """Return the keys of all leases."""
        return sorted(self.leases.keys() | self.owned.keys())

    def unpublished(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of some leases that have an owner, but ended or were revoked as flannel's."""
        return frozenset(one for one in names if one in self.owned and one not in self.leases)

    def record(self, lease: str) -> NodeRecord | Refused | None:
        """Return what stands for a lease; None if nothing does, or if it is reserved."""
        item, owner = self.leases.get(lease), self.owned.get(lease)
        chosen = item or owner
        if chosen is None:
            return None
        try:
            record = load_lease(lease, chosen.value, created=chosen.created)
        except BadRecord as error:
            return None if is_reserved(chosen) else Refused(lease, str(error))
        if (
            item is not None
            and owner is not None
            and owner.created < item.created
            and _is_same(record, owner)
        ):
            record = replace(record, created=owner.created)
        is_live = record.node in self.alive if record.node else item is not None
        return replace(record, is_live=is_live)

    def records(self) -> tuple[tuple[NodeRecord, ...], tuple[Refused, ...]]:
        """Return all records, and what is none."""
        found = [self.record(name) for name in self.names()]
        return (
            tuple(one for one in found if isinstance(one, NodeRecord)),
            tuple(one for one in found if isinstance(one, Refused)),
        )

    def _put(self, key: str, item: Item | None) -> tuple[str, str]:
        kind, rest = self._keys.split(key)
        if kind == "config":
            self.config = item
            return kind, rest
        tables = {"subnets": self.leases, "owned": self.owned, "alloc": self.allocs, "alive": self.alive}
        table = tables.get(kind)
        if table is None:
            return "", rest
        if item is None:
            table.pop(rest, None)
        else:
            table[rest] = item
        return kind, rest


def is_reserved(item: Item) -> bool:
    """Tell whether a value says that nobody may have the lease."""
    try:
        body = json.loads(item.value)
    except (ValueError, RecursionError):  # anybody may write anything
        return False
    ours = body.get(OURS) if isinstance(body, dict) else None
    return isinstance(ours, dict) and bool(ours.get(RESERVED))


def _is_same(record: NodeRecord, owner: Item) -> bool:
    """Tell whether the owner's value is the same node's: a flanneld may have taken what had run out."""
    try:
        other = load_lease(record.key, owner.value)
    except BadRecord:
        return False
    return (other.node, other.public4, other.public6) == (record.node, record.public4, record.public6)
