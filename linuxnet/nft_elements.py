"""Elements of the static sets and maps: what belongs to one attachment, in one transaction.

Each carries its owner's mark as a comment; what a network's attachments share carries the network's. A
key is never taken from another owner, and never removed once it is another's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netaddr import IPAddress, IPNetwork

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.nft_element import Element
from linuxnet.nft_index import ElementIndex, Stored, network_of, store
from linuxnet.nft_slots import inherited
from linuxnet.numbers import NFT_TABLE
from linuxnet.op import Inverse, Op, Where
from linuxnet.owner import Attachment, is_of_network
from linuxnet.ruleset import ElementsRefused, Step
from linuxnet.sysctls import read_sysctl

FAMILIES = ("inet", "bridge")
TRIALS = 5  # times; each means that another process removed an element between our look and our change
_OF_A_POD = re.compile(r"(masquerade|hairpin|hairpin_all|restricted)[46]")


@dataclass(frozen=True)
class Elements:
    """Elements of one owner, added in one transaction. `mark` as in `linuxnet.owner`."""

    mark: str
    items: tuple[Element, ...]

    def __str__(self) -> str:
        return "; ".join(f"nft add element {one.place} {{ {_entry(one, self.mark)} }}" for one in self.items)

    def apply(self, kernel: Kernel) -> Op | None:
        """Add what is not there yet. Raises Conflict naming the owner of a key that is another's."""
        _ = kernel.shared
        wanted = self.items
        for attempt in range(TRIALS):
            try:
                kernel.ruleset.add(self._step(one) for one in wanted)
                return RemoveElements(self.mark, wanted)
            except ElementsRefused as refusal:
                missing = self._missing(kernel)
                if all(one.shared for one in missing):
                    return None
                if missing == wanted and attempt > 0:  # nothing was in the way: it has another reason
                    raise KernelError(refusal.errno, str(self)) from refusal
                wanted = missing
        raise Conflict(f"{wanted[0]} is added and removed by somebody else all the time")

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first element that is missing, or another's, or has other data."""
        try:
            missing = self._missing(kernel)
        except Conflict as error:
            return str(error)
        return f"nft element {missing[0]} is missing in {missing[0].place}" if missing else None

    def _step(self, one: Element) -> Step:
        return Step(store(one, self.mark), is_exclusive=not one.shared)

    def _missing(self, kernel: Kernel) -> tuple[Element, ...]:
        """Return what is not there. Raises Conflict for a key with another owner or other data."""
        missing = []
        for one in self.items:
            wanted = store(one, self.mark)
            found = kernel.ruleset.find(wanted)
            if found is None:
                missing.append(one)
            elif not one.shared and found.raw != wanted.raw:
                raise Conflict(f"{one} is taken by {describe_mark(found.mark)}")
        return tuple(missing)


@dataclass(frozen=True)
class RemoveElements(Inverse):
    """Remove exactly what was added, as far as it is still ours; what is shared stays while it is needed."""

    mark: str
    items: tuple[Element, ...]

    def __str__(self) -> str:
        return "; ".join(f"nft delete element {one.place} {{ {one.key} }}" for one in self.items)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""
        mine = {store(one, self.mark).place for one in self.items if not one.shared}
        guarded = [one.key.strip('"') for one in self.items if one.name == "loopback_ports"]
        remove_owned(kernel, self.mark, lambda one: one.place in mine, guarded)
        return None


@dataclass(frozen=True)
class RemoveOwned(Inverse):
    """Remove every element of an attachment; none is fine, and so is a table that is not there.

    `prefixes` of set names leave the sets of other plugins in the chain alone; () means every set.
    """

    owner: Attachment
    prefixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"nft delete element … comment {json.dumps(self.owner.mark)}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""
        self.take(kernel)
        return None

    def take(self, kernel: Kernel) -> list[Element]:
        """Remove them and return what they were."""
        prefixes = self.prefixes
        mark, port = self.owner.mark, self.owner.veth_name
        gone = remove_owned(kernel, mark, lambda one: not prefixes or one.name.startswith(prefixes), [port])
        return [one.element for one in gone]


@dataclass(frozen=True)
class CollectElements(Inverse):
    """Remove every element of a network whose attachment is not listed as valid."""

    network: str
    valid_marks: frozenset[str]

    def __str__(self) -> str:
        return f"nft delete element … of network {self.network}, but for {len(self.valid_marks)} attachments"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""

        def choose(index: ElementIndex) -> Iterable[Stored]:
            doomed = [one for one in index if self._is_stale(one.mark)]
            return [*doomed, *_orphans(kernel, index, set(doomed))]

        if has_elements(kernel):
            _remove(kernel, choose)
        return None

    def _is_stale(self, mark: str) -> bool:
        return is_of_network(mark, self.network) and mark not in self.valid_marks


def list_elements(kernel: Kernel, family: str) -> list[tuple[Element, str]]:
    """Return the elements of a family's sets and maps, each with its mark: O(elements)."""
    return [(one.element, one.mark) for one in kernel.ruleset.elements() if one.family == family]


def has_elements(kernel: Kernel) -> bool:
    """Tell whether there can be any: a look at two names spares one at every set."""
    return any(kernel.ruleset.has_table(family, NFT_TABLE) for family in FAMILIES)


def remove_owned(
    kernel: Kernel, mark: str, is_meant: Callable[[Stored], bool], ports: Iterable[str]
) -> list[Stored]:
    """Remove elements of an owner, then what only its network shared, if no other attachment has any.

    `ports` are the host's interfaces that go with the attachment: their guards go, too.
    """
    network = network_of(mark)

    def choose(index: ElementIndex) -> Iterable[Stored]:
        mine = index.owned(mark)
        doomed = {one for one in mine if is_meant(one)}
        if len(doomed) < len(mine) or index.marks(network) - {mark, network}:
            return [*doomed, *_idle_guards(kernel, index, ports)]
        return [*doomed, *_orphans(kernel, index, doomed)]

    return _remove(kernel, choose) if has_elements(kernel) else []


def describe_mark(mark: str) -> str:
    """Name an owner to a person."""
    parts = mark.split(" ")
    if len(parts) != 3:
        return f"network {mark}" if mark else "somebody who left no mark"
    return f"container {parts[1]} of network {parts[0]} (interface {parts[2]})"


def _remove(kernel: Kernel, choose: Callable[[ElementIndex], Iterable[Stored]]) -> list[Stored]:
    gone: list[Stored] = []

    def steps(index: ElementIndex) -> list[Step]:
        gone[:] = choose(index)
        heirs = {one.place: one for one in inherited(index, gone)}
        found = []
        for one in gone:  # a slot and its next owner side by side, in one transaction
            found.append(Step(one, deletes=True))
            found += [Step(heirs[one.place], is_exclusive=True)] if one.place in heirs else []
        return found

    try:
        kernel.ruleset.change(steps)
        return gone
    except ElementsRefused as refusal:
        one = refusal.stored.element
        raise KernelError(refusal.errno, f"nft delete element {one.place} {{ {one.key} }}") from refusal
    finally:
        kernel.share_again()  # what was orphaned is gone; an ADD may begin


def _idle_guards(kernel: Kernel, index: ElementIndex, ports: Iterable[str]) -> list[Stored]:
    """Return the guards of these interfaces that nothing needs any more."""
    wanted = {port: store(Element("inet", "loopback_ports", f'"{port}"'), "") for port in ports}
    seen = {port: found for port, one in wanted.items() if (found := index.get(*one.place))}
    idle = [one for port, one in seen.items() if not _routes_loopback(kernel, port)]
    return idle if idle and kernel.is_alone() else []


def _orphans(kernel: Kernel, index: ElementIndex, doomed: set[Stored]) -> list[Stored]:
    """Return what is shared and needed by no staying pod, if no ADD is about to need it: O(elements)."""
    staying = [one for one in index if one not in doomed]
    pods = [IPAddress(one.element.key) for one in staying if _OF_A_POD.fullmatch(one.name)]
    pairs = [one for one in staying if one.name.startswith("same_network")]
    idle = [one for one in pairs if not any(pod in _subnet_of(one) for pod in pods)]
    guards = [one for one in staying if one.name == "loopback_ports"]
    idle += [one for one in guards if not _routes_loopback(kernel, one.element.key.strip('"'))]
    return idle if idle and kernel.is_alone() else []


def _routes_loopback(kernel: Kernel, ifname: str) -> bool:
    """Tell whether 127.0.0.0/8 may be routed on an interface: as long as it may, its guard stays."""
    return read_sysctl(kernel, Where.HOST, f"ipv4/conf/{ifname}/route_localnet") == "1"


def _subnet_of(one: Stored) -> IPNetwork:
    return IPNetwork(one.element.key.split(" ")[0])


def _entry(one: Element, mark: str) -> str:
    comment = f" comment {json.dumps(network_of(mark) if one.shared else mark)}"
    return f"{one.key}{comment}{f' : {one.data}' if one.data else ''}"
