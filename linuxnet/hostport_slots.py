"""Host ports that several pods share: slots, of which each pod has its part.

A packet draws one of `SLOTS` numbers, and the slot of that number is some pod's. So the rules are two, for
any number of ports and pods; who comes takes slots from those who have most, who goes leaves them to those
who have least, in one transaction: no connection finds a slot empty. One of the pods also holds the port in
the map of ports that are one pod's, so that nobody else takes it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.nft_element import Element
from linuxnet.nft_elements import describe_mark, remove_owned
from linuxnet.nft_index import ElementIndex, Stored, network_of, store
from linuxnet.nft_slots import SLOTS, Member, held_slots, member_of, slot_at
from linuxnet.op import Inverse, Op
from linuxnet.ruleset import ElementsRefused, Step


@dataclass(frozen=True)
class ShareHostPorts:
    """One pod's part in some ports. `items`: the elements that would give it each port alone."""

    mark: str
    items: tuple[Element, ...]

    def __str__(self) -> str:
        entries = (f"{one.place}: {one.key} . 0-{SLOTS - 1} : {one.data}" for one in self.items)
        return "; ".join(f"nft add element, a part of {entry}" for entry in entries)

    def apply(self, kernel: Kernel) -> Op | None:
        """Take a part of each. Raises Conflict if one is somebody's who does not share it with us."""
        _ = kernel.shared
        ports = [store(one, self.mark) for one in self.items]
        try:
            kernel.ruleset.change(
                lambda index: [
                    step
                    for port, one in zip(ports, self.items, strict=True)
                    for step in _join(index, port, str(one))
                ]
            )
        except ElementsRefused as refusal:
            raise KernelError(refusal.errno, str(self)) from refusal
        return LeaveHostPorts(self.mark, self.items)

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first port that this pod has no part of, or of which a part is nobody's."""
        index = kernel.ruleset.elements()
        for item in self.items:
            port = store(item, self.mark)
            held = held_slots(index, port)
            if member_of(port) not in map(member_of, held):
                return f"nft element {item} is missing in {item.place.replace('hostport', 'hostport_slots')}"
            if len(held) < SLOTS or index.get(*port.place) is None:
                return f"{SLOTS - len(held)} of {SLOTS} parts of {item} are missing"
        return None


@dataclass(frozen=True)
class LeaveHostPorts(Inverse):
    """Give the pod's part of some ports to those it shares them with."""

    mark: str
    items: tuple[Element, ...]

    def __str__(self) -> str:
        return f"nft delete element, this container's part of {', '.join(map(str, self.items))}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Leave; `remove_owned` hands over what is left."""
        ports = [store(one, self.mark) for one in self.items]
        mine = {slot_at(port, number).place for port in ports for number in range(SLOTS)}
        mine |= {port.place for port in ports}
        remove_owned(kernel, self.mark, lambda one: one.place in mine, ())
        return None


def _join(index: ElementIndex, port: Stored, what: str) -> Iterator[Step]:
    """Yield what gives a port's new member its part. Raises Conflict."""
    held = held_slots(index, port)
    holder = index.get(*port.place)
    if holder is not None:
        _refuse_stranger(holder, port, held, what)
    members = Counter(map(member_of, held))
    if len(members) >= SLOTS and member_of(port) not in members:
        raise Conflict(f"{what} is shared by {SLOTS} containers, and more cannot be")
    if holder is None:
        yield Step(port, is_exclusive=True)
    taken = {int.from_bytes(one.raw.key[-4:], sys.byteorder) for one in held}
    for number in sorted(set(range(SLOTS)) - taken):
        yield Step(slot_at(port, number), is_exclusive=True)
    if member_of(port) in members:
        return
    yield from _taken_over(held, members, port, SLOTS // (len(members) + 1))


def _taken_over(
    held: Collection[Stored], members: Counter[Member], port: Stored, part: int
) -> Iterator[Step]:
    """Yield what takes a part from those who have most."""
    owned: dict[Member, list[Stored]] = {}
    for one in held:
        owned.setdefault(member_of(one), []).append(one)
    for _ in range(part if held else 0):
        richest = max(members, key=lambda one: (members[one], one))
        members[richest] -= 1
        gone = owned[richest].pop()
        yield Step(gone, deletes=True)
        yield Step(replace(gone, raw=port.raw._replace(key=gone.raw.key)), is_exclusive=True)


def _refuse_stranger(holder: Stored, port: Stored, held: Collection[Stored], what: str) -> None:
    is_known = network_of(holder.mark) == network_of(port.mark)
    if not held:
        raise Conflict(f"{what} is taken by {describe_mark(holder.mark)}, which does not share it")
    if not is_known:
        raise Conflict(f"{what} is shared by containers of network {network_of(holder.mark)} alone")
