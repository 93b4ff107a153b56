"""What a change of a service's entries makes stale: flows and remembered clients of endpoints. Pure.

A UDP flow goes where the connection table says for as long as packets come, whatever the maps say by now; and
a client that was remembered is sent to an endpoint that is no more. Connections of TCP end by themselves, and
are never cut. An endpoint that still serves, though it gets nothing new, keeps its flows.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from typing import NamedTuple

from linuxnet.numbers import SCRATCH_ID
from linuxnet.service_affinity import Gone
from linuxnet.service_entries import Entry, Target, kind_of

UDP = 17
_MARK = struct.Struct("=I")
_WITH_ADDRESS = frozenset({"endpoints", "hashed"})
_WITHOUT = frozenset({"nodeport_endpoints", "nodeport_hashed"})
_STICKY = frozenset({"sticky", "nodeport_sticky"})


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


def stale(old: Iterable[Entry], new: Iterable[Entry], serving: Collection[Target] = ()) -> Stale:
    """Compare what a service had with what it has; `serving`: endpoints that go on serving what they have."""
    before, after = _targets(old := list(old)), _targets(new := list(new))
    flows: list[StaleFlows] = []
    clients: list[Gone] = []
    numbers, numbers_now = _numbers(old), _numbers(new)
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


def _targets(entries: Iterable[Entry]) -> dict[FrontKey, frozenset[Target]]:
    found: dict[FrontKey, set[Target]] = {}
    for entry in entries:
        kind, family = kind_of(entry.name)
        if kind in _WITH_ADDRESS or kind in _WITHOUT:
            size = (4 if family == 4 else 16) if kind in _WITH_ADDRESS else 0
            data_size = 4 if family == 4 else 16
            target = entry.data[:data_size], int.from_bytes(entry.data[data_size : data_size + 2], "big")
            found.setdefault(_front(family, entry.key, size), set()).add(target)
    return {front: frozenset(targets) for front, targets in found.items()}


def _numbers(entries: Iterable[Entry]) -> dict[FrontKey, int]:
    found = {}
    for entry in entries:
        kind, family = kind_of(entry.name)
        if kind in _STICKY:
            size = (4 if family == 4 else 16) if kind == "sticky" else 0
            found[_front(family, entry.key, size)] = _MARK.unpack(entry.data)[0] - SCRATCH_ID
    return found


def _front(family: int, key: bytes, size: int) -> FrontKey:
    return FrontKey(family, key[:size], key[size], int.from_bytes(key[size + 4 : size + 6], "big"))
