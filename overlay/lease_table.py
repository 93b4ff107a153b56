"""The leases under a prefix, from a store's items: which record stands for which key. Pure.

flannel's value counts where it is there, since a flanneld may have rewritten it; where its time has run out,
the owner's does: a node whose agent has been down for a day keeps its subnets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from cluster_store.store import Event, Item
from overlay.errors import BadRecord
from overlay.flannel_form import OURS, load_lease
from overlay.lease_keys import Keys
from overlay.record import NodeRecord
from overlay.registry import Refused

RESERVED = "Reserved"  # in our member of a value: nobody's, and nobody may have it


class LeaseTable:
    """Items by what they are; records made of them when asked, once for each change."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.leases: dict[str, Item] = {}
        self.owned: dict[str, Item] = {}
        self.allocs: dict[str, Item] = {}
        self.alive: dict[str, Item] = {}
        self.config: Item | None = None
        self._read: dict[str, NodeRecord | Refused | None] = {}  # what stands for a lease, if it lives
        self._unread: set[str] = set()
        self._of_owner: dict[str, tuple[str, ...]] = {}  # a node's name, or a flanneld's address -> leases
        self._parts: dict[str, int] = {}  # "10.244.17.0-24" -> how many keys name it

    def copy(self) -> LeaseTable:
        """Return another of the same content; what was read of it is not read again."""
        other = LeaseTable(self._keys)
        other.leases, other.owned = self.leases.copy(), self.owned.copy()
        other.allocs, other.alive, other.config = self.allocs.copy(), self.alive.copy(), self.config
        other._read, other._unread = self._read.copy(), self._unread.copy()
        other._of_owner, other._parts = self._of_owner.copy(), self._parts.copy()
        return other

    def fill(self, items: Iterable[Item]) -> None:
        """Begin anew with a snapshot's items."""
        for table in (self.leases, self.owned, self.allocs, self.alive):
            table.clear()
        for known in (self._read, self._of_owner, self._parts):
            known.clear()
        self._unread.clear()
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
        self._take_in(lease)
        record = self._read.get(lease)
        if not isinstance(record, NodeRecord):
            return record
        is_live = record.node in self.alive if record.node else lease in self.leases
        if record.is_live != is_live:  # kept, so that there is one of it
            record = self._read[lease] = replace(record, is_live=is_live)
        return record

    def records_of(self, owner: str) -> list[NodeRecord]:
        """Return the records of a node's name, sorted by key, or of a flanneld's underlay address."""
        for lease in tuple(self._unread):
            self._take_in(lease)
        found = [self.record(lease) for lease in sorted(self._of_owner.get(owner, ()))]
        return [one for one in found if isinstance(one, NodeRecord)]

    def has_subnet(self, part: str) -> bool:
        """Tell whether a lease, or one half of one, is of exactly this subnet, as a key names it.

        Who lost a claim to another in dual stack may know the half's owner before the lease.
        """
        return part in self._parts or part in self.allocs

    def parts_but(self, length: int) -> list[str]:
        """Return the subnets of leases, as keys name them, whose prefix length is another."""
        return [one for one in self._parts if not one.endswith(f"-{length}")]

    def _take_in(self, lease: str) -> None:
        """Read a lease, if it is another than when it was read, and note whose it is."""
        if lease not in self._unread:
            return
        self._unread.discard(lease)
        for owner in _owners(self._read.pop(lease, None)):
            left = tuple(one for one in self._of_owner.get(owner, ()) if one != lease)
            if left:
                self._of_owner[owner] = left
            else:
                self._of_owner.pop(owner, None)
        record = self._record(lease)
        if record is not None:
            self._read[lease] = record
        for owner in _owners(record):
            self._of_owner[owner] = (*self._of_owner.get(owner, ()), lease)

    def _record(self, lease: str) -> NodeRecord | Refused | None:
        item, owner = self.leases.get(lease), self.owned.get(lease)
        chosen = item or owner
        if chosen is None:
            return None
        try:
            record = load_lease(lease, chosen.value, created=chosen.created)
        except BadRecord as error:
            return None if is_reserved(chosen) else Refused(lease, str(error))
        if item is None or owner is None or owner.created >= item.created or not _is_same(record, owner):
            return record
        return replace(record, created=owner.created)

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
        if item is not None and kind in ("subnets", "owned"):
            other = (self.owned if kind == "subnets" else self.leases).get(rest)
            if other is not None and other.value == item.value:  # as it mostly is: one text is enough
                item = item._replace(value=other.value)
        is_new = rest not in table
        if item is None:
            table.pop(rest, None)
        else:
            table[rest] = item
        if kind in ("subnets", "owned"):
            self._unread.add(rest)
            self._count(rest, (item is not None) - (not is_new))
        return kind, rest

    def _count(self, lease: str, number: int) -> None:
        """Count a key more (1), or one less (-1), for each subnet in a lease's name."""
        for part in lease.split("&"):
            left = self._parts.get(part, 0) + number
            if left:
                self._parts[part] = left
            else:
                self._parts.pop(part, None)


def _owners(record: NodeRecord | Refused | None) -> tuple[str, ...]:
    if not isinstance(record, NodeRecord):
        return ()
    return (record.node,) if record.node else tuple(one for one in (record.public4, record.public6) if one)


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
