"""What was asked and answered, as plain numbers: a query pays two additions for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

Key = TypeVar("Key")
Number = TypeVar("Number", int, float)
BUCKETS = tuple(0.00025 * 2**n for n in range(16))  # seconds; CoreDNS'
OTHER = 0  # no type has this number


SampleKey = tuple[str, tuple[tuple[str, str], ...]]  # a metric's name, and its labels


class Snapshot(NamedTuple):
    """The numbers of one process; what several have is added."""

    types: dict[tuple[str, str, str, int], int]  # (zone, proto, family, type)
    codes: dict[tuple[str, int], int]  # (zone, response code)
    seconds: float
    buckets: tuple[int, ...]  # one more than bounds: the last is all that took longer
    dropped: int  # answers that could not be sent
    others: dict[SampleKey, float]  # what the resolver counts

    def __add__(self, other: object) -> Snapshot:
        """Add another process' numbers."""
        if not isinstance(other, Snapshot):
            return NotImplemented
        return Snapshot(
            _sum(self.types, other.types),
            _sum(self.codes, other.codes),
            self.seconds + other.seconds,
            tuple(map(sum, zip(self.buckets, other.buckets, strict=True))),
            self.dropped + other.dropped,
            _sum(self.others, other.others),
        )


NOTHING = Snapshot({}, {}, 0.0, (0,) * (len(BUCKETS) + 1), 0, {})


@dataclass(slots=True)
class Tally:
    """The numbers of one way in, as `udp` over IPv4. The lists are by type (its low byte) and by code."""

    proto: str
    family: str  # "1" for IPv4, "2" for IPv6, as CoreDNS has it
    types: list[int] = field(default_factory=lambda: [0] * 256)
    codes: list[int] = field(default_factory=lambda: [0] * 256)
    foreign_types: list[int] = field(default_factory=lambda: [0] * 256)
    foreign_codes: list[int] = field(default_factory=lambda: [0] * 256)


@dataclass(slots=True)
class Clock:
    """How long answers took: the queries that came together share what they took together."""

    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    dropped: int = 0

    def note(self, number: int, seconds: float) -> None:
        """Take in that so many queries took so long together."""
        self.seconds += seconds
        mean = seconds / number
        self.buckets[next((at for at, bound in enumerate(BUCKETS) if mean <= bound), len(BUCKETS))] += number


def snapshot(tallies: list[Tally], clock: Clock) -> Snapshot:
    """Return the numbers of a process as of now."""
    types: dict[tuple[str, str, str, int], int] = {}
    codes: dict[tuple[str, int], int] = {}
    for one in tallies:
        for zone, by_type, by_code in (
            ("zone", one.types, one.codes),
            (".", one.foreign_types, one.foreign_codes),
        ):
            for kind, number in enumerate(by_type):
                if number:
                    types[zone, one.proto, one.family, kind] = number
            for code, number in enumerate(by_code):
                if number:
                    codes[zone, code] = codes.get((zone, code), 0) + number
    return Snapshot(types, codes, clock.seconds, tuple(clock.buckets), clock.dropped, {})


def _sum(one: dict[Key, Number], other: dict[Key, Number]) -> dict[Key, Number]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one | other}
