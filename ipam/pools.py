"""Ranges and sets of ranges: what may be handed out. Values, checked when they are made.

A range set is a pool: its ranges are alternatives, one address is given from it. What the reference's
host-local refuses although networks have it is allowed: /31 and /32 (RFC 3021), /127 (RFC 6164) and /128,
and a network without gateway. What it accepts although it cannot work is refused: a gateway outside its
subnet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

from netaddr import IPAddress, IPNetwork

from cni_spec.errors import INVALID_CONFIG, CniError
from ipam.keys import Key, count, key_of, shift

NO_GATEWAY: Literal["none"] = "none"  # in place of a gateway: nothing is reserved for one
Span = tuple[Key, Key]  # first and last address, both included


@dataclass(frozen=True)
class Range:
    """Addresses of one subnet, `first` to `last`; made by `make_range`.

    `gateway` is never handed out, None reserves nothing. Nor are the addresses of `exclude`, the network
    address, and IPv4's broadcast address, where the subnet has these.
    """

    subnet: IPNetwork
    first: IPAddress
    last: IPAddress
    gateway: IPAddress | None
    exclude: tuple[IPNetwork, ...] = ()

    def __contains__(self, address: IPAddress) -> bool:
        return address.version == self.first.version and self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @property
    def span(self) -> Span:
        """Return first and last address as keys."""
        return key_of(self.first), key_of(self.last)

    def reserved(self) -> list[Span]:
        """Return what is never handed out; spans may overlap and reach out of the range."""
        spans = [_span(one) for one in self.exclude]
        if self.gateway is not None:
            spans.append((key_of(self.gateway), key_of(self.gateway)))
        if not _is_point_to_point(self.subnet):
            first, last = _span(self.subnet)
            # RFC 4291 section 2.6.1: IPv6's first address is every router's; it has no broadcast
            spans += [(first, first)] + ([(last, last)] if self.subnet.version == 4 else [])
        return spans


@dataclass(frozen=True)
class RangeSet:
    """A pool of one address family; made by `make_range_set`."""

    ranges: tuple[Range, ...]

    def __contains__(self, address: IPAddress) -> bool:
        return self.range_of(address) is not None

    def __str__(self) -> str:
        return ",".join(str(one) for one in self.ranges)

    def range_of(self, address: IPAddress) -> Range | None:
        """Return the range that holds an address."""
        return next((one for one in self.ranges if address in one), None)

    @cached_property
    def usable(self) -> tuple[tuple[Span, ...], ...]:
        """Return, range by range, what can be handed out."""
        reserved = join_spans(span for one in self.ranges for span in one.reserved())
        return tuple(_subtract(one.span, reserved) for one in self.ranges)

    @cached_property
    def size(self) -> int:
        """Return how many addresses can be handed out."""
        return sum(count(*span) for spans in self.usable for span in spans)

    def circle(self, last: IPAddress | None) -> Iterator[Span]:
        """List what can be handed out in the order of round robin: what follows `last` first, itself last.

        It begins with the first range if `last` is None or of no range (the reference's iterator).
        """
        here = next((i for i, one in enumerate(self.ranges) if last is not None and last in one), None)
        if here is None or last is None:
            for spans in self.usable:
                yield from spans
            return
        key = key_of(last)
        yield from _clip(self.usable[here], shift(key, 1), self.ranges[here].span[1])
        for spans in (*self.usable[here + 1 :], *self.usable[:here]):
            yield from spans
        yield from _clip(self.usable[here], self.ranges[here].span[0], key)


def make_range(
    subnet: IPNetwork,
    *,
    first: IPAddress | None = None,
    last: IPAddress | None = None,
    gateway: IPAddress | Literal["none"] | None = None,
    exclude: Sequence[IPNetwork] = (),
) -> Range:
    """Check a range and fill in what was not given.

    `first` defaults to the address behind the network's, `last` to the one before IPv4's broadcast
    address or to IPv6's last, `gateway` to the network's address + 1. A subnet of one or two addresses
    has them all in use, and reserves no gateway unless one is named. Of `exclude` (addresses are /32 or
    /128) only what lies in the subnet is kept.

    Raises:
        CniError: code 7, naming what does not fit.
    """
    _require(subnet.ip == subnet.network, f"subnet {subnet}: expected no host bits, such as {subnet.cidr}")
    lowest, highest = IPAddress(subnet.first, subnet.version), IPAddress(subnet.last, subnet.version)
    margin = 0 if _is_point_to_point(subnet) else 1
    made = Range(
        subnet=subnet,
        first=lowest + margin if first is None else first,
        last=(highest - margin if subnet.version == 4 else highest) if last is None else last,
        gateway=_choose_gateway(subnet, lowest, gateway),
        exclude=tuple(one for one in exclude if _overlap(_span(one), _span(subnet))),
    )
    for name, address in (("rangeStart", made.first), ("rangeEnd", made.last), ("gateway", made.gateway)):
        inside = address is None or (address.version == subnet.version and address in subnet)
        _require(inside, f"{name} {address}: expected an address of the subnet {subnet}")
    _require(made.first <= made.last, f"rangeStart {made.first} comes after rangeEnd {made.last}")
    return made


def make_range_set(ranges: Iterable[Range]) -> RangeSet:
    """Join ranges to a pool.

    Raises:
        CniError: code 7: there is none, they are of two families, or they overlap.
    """
    made = RangeSet(tuple(ranges))
    _require(bool(made.ranges), "a range set is empty: expected at least one range with a subnet")
    families = {one.subnet.version for one in made.ranges}
    _require(len(families) == 1, f"range set {made}: mixed address families, expected one a set")
    for one, other in combinations(made.ranges, 2):
        _require(not _overlap(one.span, other.span), f"ranges {one} and {other} of one set overlap")
    return made


def check_disjoint(sets: Sequence[RangeSet]) -> None:
    """See that no address is in two sets. Raises CniError 7 naming the ranges."""
    for one, other in combinations(sets, 2):
        for ours in one.ranges:
            clash = next((theirs for theirs in other.ranges if _overlap(ours.span, theirs.span)), None)
            _require(clash is None, f"ranges {ours} and {clash} of two sets overlap")


def join_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and join those that overlap or touch."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= shift(joined[-1][1], 1):
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _choose_gateway(
    subnet: IPNetwork, lowest: IPAddress, gateway: IPAddress | Literal["none"] | None
) -> IPAddress | None:
    if isinstance(gateway, IPAddress):
        return gateway
    return None if gateway == NO_GATEWAY or _is_point_to_point(subnet) else lowest + 1


def _is_point_to_point(subnet: IPNetwork) -> bool:
    return bool(subnet.size <= 2)


def _span(network: IPNetwork) -> Span:
    version = network.version
    return key_of(IPAddress(network.first, version)), key_of(IPAddress(network.last, version))


def _clip(spans: Iterable[Span], first: Key, last: Key) -> Iterator[Span]:
    for start, end in spans:
        if start <= last and first <= end:
            yield max(start, first), min(end, last)


def _subtract(span: Span, reserved: Iterable[Span]) -> tuple[Span, ...]:
    """Return what is left of a span; `reserved` is sorted."""
    left, start = [], span[0]
    for first, last in _clip(reserved, *span):
        if start < first:
            left.append((start, shift(first, -1)))
        start = shift(last, 1)
    return (*left, (start, span[1])) if start <= span[1] else tuple(left)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise CniError(INVALID_CONFIG, complaint)
