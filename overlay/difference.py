"""Wanted against seen: the fewest messages that make the kernel what it should be. Pure.

What is new comes first, in the order its parts need each other (nexthop, neighbour, FDB, route), so that a
way exists before anything leads into it; what is stale goes afterwards, routes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from linuxnet.forwarding_dumps import Seen
from linuxnet.forwarding_entries import Entry, FdbEntry, ForeignRoute, NeighbourEntry, Nexthop, RouteEntry

_ORDER: dict[type[object], int] = {Nexthop: 0, NeighbourEntry: 1, FdbEntry: 2, RouteEntry: 3}
Key = tuple[object, ...]


@dataclass(frozen=True)
class Difference:
    """What must be made and what must go, each in its order."""

    added: tuple[Entry, ...] = ()
    removed: tuple[Entry | ForeignRoute, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def difference(wanted: Mapping[Key, Entry], seen: Seen, *, may_delete: bool = True) -> Difference:
    """Compare everything. `may_delete` False: before the first complete snapshot nothing goes.

    Of several entries for one MAC the wanted one stays, and is not made again: the kernel would take a
    replacement that is in its list already for nothing to do.
    """
    there = {one.key for one in seen.doubles if wanted.get(one.key) == one}
    added = [entry for key, entry in wanted.items() if seen.entries.get(key) != entry and key not in there]
    removed: list[Entry | ForeignRoute] = []
    if may_delete:
        removed += [entry for key, entry in seen.entries.items() if key not in wanted or key in there]
        removed += [one for one in seen.doubles if wanted.get(one.key) != one]
    # A route of flannel's is replaced by ours of the same destination; the kernel would keep a second one.
    removed += [one for one in seen.foreign if may_delete or one.key in wanted]
    return Difference(in_order(added), tuple(sorted(removed, key=_removal)))


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Sort entries so that each finds what it needs."""
    return tuple(sorted(entries, key=lambda one: _ORDER[type(one)]))


def out_of_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Sort entries so that nothing leads into what has gone."""
    return tuple(sorted(entries, key=_removal))


def _removal(entry: Entry | ForeignRoute) -> int:
    return -_ORDER.get(type(entry), 4)
