"""What each service has in the kernel, as of our last transaction: small, since there may be a million.

Entries of one service that are of one set or map are kept as one string of bytes. Some elements belong to
several services (an endpoint that may reach itself): such are counted, and go with the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from sys import intern
from typing import NamedTuple

from linuxnet.service_entries import Entry
from service_proxy.model import ServiceName

SHARED = frozenset({"hairpin4", "hairpin6"})  # what several services may want: it speaks of no front end


class _Row(NamedTuple):
    """Entries of one set or map whose keys and data are of one size."""

    name: str
    key_size: int
    data_size: int
    packed: bytes


class Difference(NamedTuple):
    """What a transaction is to do."""

    added: list[Entry]
    removed: list[Entry]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Shadow:
    """Entries by service, and those of nobody (None), which all services need."""

    def __init__(self) -> None:
        self._rows: dict[ServiceName | None, tuple[_Row, ...]] = {}
        self._owners: Counter[Entry] = Counter()  # of what several services may have

    def __len__(self) -> int:
        return len(self._rows)

    def services(self) -> set[ServiceName]:
        """Return who has anything."""
        return {name for name in self._rows if name is not None}

    def entries(self, service: ServiceName | None) -> list[Entry]:
        """Return what a service has."""
        return list(_unpacked(self._rows.get(service, ())))

    def replace(self, service: ServiceName | None, wanted: Iterable[Entry]) -> Difference:
        """Give a service other entries; return what that adds to the kernel and takes from it."""
        before = self._rows.get(service, ())
        now = _packed(dict.fromkeys(wanted))
        if now:
            self._rows[service] = now
        elif before:
            del self._rows[service]
        added = [one for one in _beyond(now, before) if self._has_begun(one)]
        removed = [one for one in _beyond(before, now) if self._has_ended(one)]
        return Difference(added, removed)

    def iterate(self) -> Iterator[Entry]:
        """Yield everything the kernel should have; what several services have comes for each."""
        for rows in self._rows.values():
            yield from _unpacked(rows)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._owners.clear()

    def _has_begun(self, entry: Entry) -> bool:
        return entry.name not in SHARED or self._count(entry, 1) == 1

    def _has_ended(self, entry: Entry) -> bool:
        return entry.name not in SHARED or self._count(entry, -1) == 0

    def _count(self, entry: Entry, by: int) -> int:
        self._owners[entry] += by
        left = self._owners[entry]
        if not left:
            del self._owners[entry]
        return left


def _packed(entries: Iterable[Entry]) -> tuple[_Row, ...]:
    groups: dict[tuple[str, int, int], list[bytes]] = {}
    for name, key, data in entries:
        groups.setdefault((name, len(key), len(data)), []).append(key + data)
    return tuple(
        _Row(intern(name), keys, data, b"".join(all_)) for (name, keys, data), all_ in groups.items()
    )


def _unpacked(rows: Iterable[_Row]) -> Iterator[Entry]:
    for row in rows:
        name, key_size, _, _ = row
        for piece in _pieces(row):
            yield Entry(name, piece[:key_size], piece[key_size:])


def _beyond(rows: Iterable[_Row], others: tuple[_Row, ...]) -> Iterator[Entry]:
    """Yield the entries that others lack; most rows are the same in both."""
    for row in rows:
        if row in others:
            continue
        shape = row[:3]
        had = frozenset([piece for other in others if other[:3] == shape for piece in _pieces(other)])
        name, key_size, _, _ = row
        for piece in _pieces(row):
            if piece not in had:
                yield Entry(name, piece[:key_size], piece[key_size:])


def _pieces(row: _Row) -> list[bytes]:
    _, key_size, data_size, packed = row
    step = key_size + data_size
    return [packed[i : i + step] for i in range(0, len(packed), step)]
