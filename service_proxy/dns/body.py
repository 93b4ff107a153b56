"""The records of an answer, as bytes whose TTLs can be found.

What is changed in them is the TTLs, which address is first, and how many there are; names are left as they
are, for they point at each other.
"""

from __future__ import annotations

from typing import NamedTuple

_ADDRESSES = (b"\0\1", b"\0\x1c")  # types A, AAAA


class Body(NamedTuple):
    """An answer without its header, question and OPT. `flags`: AD and the code."""

    flags: int
    counts: tuple[int, int, int]  # answer, authority, additional
    records: bytes
    ttls: tuple[tuple[int, int], ...]  # where in `records`, seconds
    soa_minimum: int = -1  # of an SOA in the authority section: how long a "no" holds (RFC 2308); -1: none

    @property
    def code(self) -> int:
        """Return the response code."""
        return self.flags & 15


class Run(NamedTuple):
    """Addresses of one name that stand side by side: whichever is first, the answer is the same."""

    start: int
    step: int  # bytes of a record
    number: int

    def turned(self, records: bytes, by: int) -> bytes:
        """Return the records with another address first."""
        end, cut = self.start + self.step * self.number, self.start + self.step * (by % self.number)
        return b"".join((records[: self.start], records[cut:end], records[self.start : cut], records[end:]))


def find_run(body: Body) -> Run | None:
    """Return the answer's addresses, None if there are not two or their order is not free to choose."""
    records, places = body.records, [at for at, _ in body.ttls[: body.counts[0]]]
    while places and records[places[0] - 4 : places[0] - 2] not in _ADDRESSES:
        del places[0]  # the aliases before them
    if len(places) < 2:
        return None
    head = records[places[0] - 6 : places[0]]  # a pointer, type and class
    start, step = places[0] - 6, 12 + int.from_bytes(records[places[0] + 4 : places[0] + 6])
    is_free = head[0] >= 0xC0 and all(
        at == places[0] + step * number and records[at - 6 : at] == head for number, at in enumerate(places)
    )
    return Run(start, step, len(places)) if is_free else None


def with_ttls(body: Body, ttls: tuple[int, ...]) -> bytes:
    """Return a body's records with other TTLs, in seconds, in the order of `body.ttls`."""
    records = bytearray(body.records)
    for (at, _), ttl in zip(body.ttls, ttls, strict=True):
        records[at : at + 4] = ttl.to_bytes(4)
    return bytes(records)


def fitting(body: Body, records: bytes, room: int) -> tuple[int, bytes]:
    """Return as many of the answers as fit: old musl knows no TCP, some of many will do."""
    number, end = 0, 0
    for at, _ in body.ttls[: body.counts[0]]:
        after = at + 6 + int.from_bytes(records[at + 4 : at + 6])
        if after > room:
            break
        number, end = number + 1, after
    return number, records[:end]
