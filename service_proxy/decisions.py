"""Decisions: what services are to have, where that depends on others and on what was before. No I/O.

`wanted.py` decides about one service by itself. Here is kept what it is told besides: who has the addresses
and ports that several want, which slot each endpoint has, the numbers of ports that remember clients.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from linuxnet.service_chains import LOCAL
from linuxnet.service_entries import Entry, Target
from service_proxy.affinity_numbers import AffinityNumbers
from service_proxy.backends import ListKey, Lists, lists_of
from service_proxy.catalogue import Catalogue
from service_proxy.front_ends import Context, Exposed, exposed, is_served
from service_proxy.model import Algorithm, Service, ServiceName
from service_proxy.precedence import Precedence
from service_proxy.slice_objects import shared
from service_proxy.wanted import Standing, Wanted, wanted

_SLOT, _PORT = struct.Struct("=I"), struct.Struct(">H2x")
_TARGETS = {4: struct.Struct(">4sH2x"), 6: struct.Struct(">16sH2x")}  # as an entry's data has them
_SLOTTED = frozenset(f"{kind}{family}" for kind in ("endpoints", "nodeport_endpoints") for family in (4, 6))


class Decisions:
    """Decisions about the services of one catalogue."""

    def __init__(self, catalogue: Catalogue, context: Context) -> None:
        self.context = context
        self._catalogue = catalogue
        self._precedence = Precedence()
        self._numbers = AffinityNumbers()
        self._lists: dict[ServiceName, tuple[tuple[ListKey, bytes], ...]] = {}
        self._shown: dict[tuple[str, bytes], dict[bytes, bytes]] = {}  # data by slot, by front end

    def adopt(self, entries: Iterable[Entry]) -> None:
        """Learn what the kernel shows, before the first decision: slots and numbers stay as they are."""
        shown = self._shown
        others = []
        for entry in entries:
            name, key, data = entry
            if name not in _SLOTTED:
                others.append(entry)
            elif (front := (name, key[:-4])) in shown:
                shown[front][key[-4:]] = data
            else:
                shown[front] = {key[-4:]: data}
        self._numbers.adopt(others)

    def settle(self) -> None:
        """Forget what the kernel showed, once every service has been decided about."""
        self._shown.clear()
        self._numbers.settle()

    def claim(self, names: Iterable[ServiceName]) -> None:
        """Let services want what they do, before anything is decided about them (`decide_claimed`)."""
        self._claim({name: self._exposed(name) for name in names})

    def decide(self, names: Iterable[ServiceName]) -> dict[ServiceName, Wanted]:
        """Return what these services are to have, and others for whom that matters; nothing if gone."""
        asked = {name: self._exposed(name) for name in names}
        for name in self._claim(asked) - asked.keys():
            asked[name] = self._exposed(name)
        return {name: self._decide(name, front_ends) for name, front_ends in asked.items()}

    def decide_claimed(self, names: Iterable[ServiceName]) -> Iterator[tuple[ServiceName, Wanted]]:
        """Yield what services are to have when all have claimed what they want."""
        for name in names:
            yield name, self._decide(name, self._exposed(name))

    def look(self, name: ServiceName) -> Wanted:
        """Return what a service is to have, for who asks: nothing is decided by that, and no number given."""
        service, front_ends = self._catalogue.services.get(name), self._exposed(name)
        if service is None or not front_ends:
            return Wanted()
        before = {key: _unpacked(packed, key[2]) for key, packed in self._lists.get(name, ())}
        standing = Standing(before, lost=self._precedence.lost(name), front_ends=front_ends)
        return wanted(service, self._catalogue.slices_of(name), self.context, standing)

    def names(self) -> set[ServiceName]:
        """Return all services there are, and those that have gone and are to be forgotten."""
        return {*self._catalogue.services, *self._precedence.names()}

    def decide_all(self) -> dict[ServiceName, Wanted]:
        """Return what all services are to have; those that have gone are forgotten."""
        return self.decide(self.names())

    def _claim(self, asked: Mapping[ServiceName, Sequence[Exposed]]) -> set[ServiceName]:
        """Let services want their front ends; return for whom that matters."""
        found: set[ServiceName] = set()
        for name, front_ends in asked.items():
            service = self._catalogue.services.get(name)
            if service is None or not front_ends:
                found |= self._precedence.forget(name)
            else:
                found |= self._precedence.want(service, front_ends)
        return found

    def _exposed(self, name: ServiceName) -> Sequence[Exposed]:
        service = self._catalogue.services.get(name)
        if service is None or not is_served(service, self.context):
            return ()
        return exposed(service, self.context)

    def _decide(self, name: ServiceName, front_ends: Sequence[Exposed]) -> Wanted:
        service = self._catalogue.services.get(name)
        if service is None or not front_ends:
            self._numbers.forget(name)
            self._lists.pop(name, None)
            return Wanted()
        standing = Standing(
            before=self._before(service, front_ends),
            numbers=self._numbers.of(service, front_ends),
            lost=self._precedence.lost(name),
            front_ends=front_ends,
        )
        found = wanted(service, self._catalogue.slices_of(name), self.context, standing)
        if service.algorithm is Algorithm.RANDOM:
            lists = lists_of(found.backends).items()
            self._lists[name] = tuple([(shared(key), _packed(targets)) for key, targets in lists])
        return found

    def _before(self, service: Service, front_ends: Iterable[Exposed]) -> Lists:
        """Return the slots of now: as last decided, else as the kernel shows them."""
        if service.algorithm is not Algorithm.RANDOM:
            self._lists.pop(service.name, None)
            return {}
        kept = self._lists.get(service.name)
        if kept is not None or not self._shown:
            return {key: _unpacked(packed, key[2]) for key, packed in kept or ()}
        found: dict[ListKey, Sequence[Target]] = {}
        for one in front_ends:
            front = one.front
            name = f"{'endpoints' if front.address else 'nodeport_endpoints'}{front.family}"
            slots = {
                _SLOT.unpack(slot)[0]: data for slot, data in self._shown.get((name, front.key), {}).items()
            }
            for is_local in (False, True):
                key = (one.port.name, one.port.protocol, front.family, is_local)
                packed = b"".join(slots[slot] for slot in sorted(slots) if (slot >= LOCAL) == is_local)
                if packed and key not in found:
                    found[key] = _unpacked(packed, front.family)
        return found


def _packed(targets: Iterable[Target]) -> bytes:
    """Return endpoints as the kernel's data has them, one behind the other."""
    return b"".join([address + _PORT.pack(port) for address, port in targets])


def _unpacked(packed: bytes, family: int) -> list[Target]:
    return list(_TARGETS[family].iter_unpack(packed))
