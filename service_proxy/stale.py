"""What a change of a service's entries makes stale: flows and remembered clients of endpoints. Pure.

A UDP flow goes where the connection table says for as long as packets come, whatever the maps say by now; and
a client that was remembered is sent to an endpoint that is no more. Connections of TCP end by themselves, and
are never cut. An endpoint that still serves, though it gets nothing new, keeps its flows.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from linuxnet.numbers import SCRATCH_ID
from linuxnet.service_affinity import Gone
from linuxnet.service_entries import Entry, Target

UDP = 17
_MARK = struct.Struct("=I")
_ADDRESS = {4: 4, 6: 16}  # bytes
# set or map -> family, bytes of an address in its key
_LEADING = {f"{kind}{n}": (n, size) for n, size in _ADDRESS.items() for kind in ("endpoints", "hashed")}
_LEADING |= {f"nodeport_{kind}{n}": (n, 0) for n in _ADDRESS for kind in ("endpoints", "hashed")}
_STICKY = {f"sticky{n}": (n, size) for n, size in _ADDRESS.items()}
_STICKY |= {f"nodeport_sticky{n}": (n, 0) for n in _ADDRESS}


class FrontKey(NamedTuple):
    """A front end as packets ask for it; `address` is b"" for a NodePort."""

    family: int
    address: bytes
    protocol: int
    port: int


class StaleFlows(NamedTuple):
    """UDP flows to a front end that `target` answers; None: those that nobody has translated."""

    front: FrontKey
    target: Target | None


class Stale(NamedTuple):
    """What is to be forgotten."""

    flows: list[StaleFlows]
    clients: list[Gone]


def stale(old: Collection[Entry], new: Collection[Entry], serving: Collection[Target] = ()) -> Stale:
    """Compare what a service had with what it has; `serving`: endpoints that go on serving what they have."""
    numbers, numbers_now = _numbers(old), _numbers(new)
    before, after = _targets(old, numbers), _targets(new, numbers)
    flows: list[StaleFlows] = []
    clients: list[Gone] = []
    for front, had in before.items():
        has = after.get(front, frozenset())
        number = numbers.get(front)
        if number is not None:
            # affinity that was switched off and comes back begins anew
            kept = has if number == numbers_now.get(front) else frozenset()
            clients += [Gone(number, *one) for one in had - kept]
        if front.protocol == UDP and has:  # without any endpoint flows are left alone, as kube-proxy does
            flows += [StaleFlows(front, one) for one in had - has if one not in serving]
    flows += [StaleFlows(front, None) for front in after if front.protocol == UDP and front not in before]
    return Stale(flows, list(dict.fromkeys(clients)))


def ended(entries: Iterable[Entry], gone: Collection[Target]) -> Stale:
    """Return the UDP flows of endpoints that got nothing new at these front ends, and serve no more."""
    fronts = _targets(entries, ()) if gone else ()
    of_family = {family: [one for one in gone if len(one[0]) == size] for family, size in _ADDRESS.items()}
    flows = [StaleFlows(front, target) for front in fronts for target in of_family[front.family]]
    return Stale(flows, [])


def fronts_of(entries: Iterable[Entry]) -> frozenset[FrontKey]:
    """Return the front ends that entries speak of and that may have anything to forget: UDP, or sticky."""
    found = set()
    sticky = _numbers(entries := list(entries))
    for name, key, _ in entries:
        if (shape := _LEADING.get(name)) is not None and (key[shape[1]] == UDP or sticky):
            found.add(_front(shape[0], key, shape[1]))
    return frozenset(found) | sticky.keys()


def of_fronts(entries: Iterable[Entry], fronts: Collection[FrontKey]) -> Iterator[Entry]:
    """Yield the entries that say where some front ends lead, and whether their clients are remembered."""
    for entry in entries:
        shape = _LEADING.get(entry.name) or _STICKY.get(entry.name)
        if shape is not None and _front(shape[0], entry.key, shape[1]) in fronts:
            yield entry


def _targets(entries: Iterable[Entry], numbers: Collection[FrontKey]) -> dict[FrontKey, frozenset[Target]]:
    """Return the endpoints of front ends of which anything can become stale."""
    found: dict[FrontKey, set[Target]] = {}
    for name, key, data in entries:
        if (shape := _LEADING.get(name)) is None:
            continue
        family, size = shape
        if key[size] != UDP and not numbers:
            continue
        front = _front(family, key, size)
        if front.protocol == UDP or front in numbers:
            address = _ADDRESS[family]
            target = data[:address], int.from_bytes(data[address : address + 2], "big")
            found.setdefault(front, set()).add(target)
    return {front: frozenset(targets) for front, targets in found.items()}


def _numbers(entries: Iterable[Entry]) -> dict[FrontKey, int]:
    return {
        _front(_STICKY[name][0], key, _STICKY[name][1]): _MARK.unpack(data)[0] - SCRATCH_ID
        for name, key, data in entries
        if name in _STICKY
    }


def _front(family: int, key: bytes, size: int) -> FrontKey:
    return FrontKey(family, key[:size], key[size], int.from_bytes(key[size + 4 : size + 6], "big"))
