"""The slots of shared host ports, as elements: which there are, and who gets those of one that goes. Pure."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from linuxnet.nft_index import ElementIndex, Stored

SLOTS = 64  # of a port, as podwire.nft draws them; with five pods no two differ by more than a thirteenth
PORT, SLOT = "hostport", "hostport_slots"  # beginnings of the maps' names

Member = tuple[str, bytes]  # whose, and where it leads


def member_of(one: Stored) -> Member:
    """Return whose a port or a slot is."""
    return one.mark, one.raw.data


def slot_at(port: Stored, number: int) -> Stored:
    """Return a slot of a port, as the port's holder has it."""
    key = port.raw.key + number.to_bytes(4, sys.byteorder)  # numgen's is the host's
    return Stored(port.family, port.name.replace(PORT, SLOT, 1), port.raw._replace(key=key))


def held_slots(index: ElementIndex, port: Stored) -> list[Stored]:
    """Return the slots there are of a port."""
    places = (slot_at(port, number).place for number in range(SLOTS))
    return [found for place in places if (found := index.get(*place))]


def inherited(index: ElementIndex, doomed: Collection[Stored]) -> Iterator[Stored]:
    """Yield what those who stay get of the slots and ports that go: O(slots of the ports concerned)."""
    gone = {one.place for one in doomed}
    for port in {_port_of(one) for one in doomed if one.name.startswith(SLOT)}:
        staying = [one for one in held_slots(index, port) if one.place not in gone]
        if not staying:
            continue
        heirs = Counter(map(member_of, staying))
        for number in range(SLOTS):
            slot = slot_at(port, number)
            if slot.place in gone:
                poorest = min(heirs, key=lambda one: (heirs[one], one))
                heirs[poorest] += 1
                yield _owned_by(slot, poorest)
        if port.place in gone:
            yield _owned_by(port, min(heirs))


def _port_of(slot: Stored) -> Stored:
    """Return the port that a slot is of, as nobody's."""
    raw = slot.raw._replace(key=slot.raw.key[:-4], data=b"", comment="")
    return Stored(slot.family, slot.name.replace(SLOT, PORT, 1), raw)


def _owned_by(one: Stored, member: Member) -> Stored:
    mark, data = member
    return replace(one, raw=one.raw._replace(data=data, comment=mark))
