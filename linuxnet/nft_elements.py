"""Elements of the static sets and maps: what belongs to one attachment, in one transaction.

Each carries its owner's mark as a comment; what a network's attachments share carries the network's. A
key is never taken from another owner, and never removed once it is another's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from netaddr import IPAddress, IPNetwork

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.nft import Nft
from linuxnet.nft_element import Element
from linuxnet.numbers import NFT_TABLE
from linuxnet.op import Inverse, Op, Where
from linuxnet.owner import is_of_network
from linuxnet.sysctls import read_sysctl

FAMILIES = ("inet", "bridge")
RETRIES = 5  # times; each means that another process removed an element between our look and our change


@dataclass(frozen=True)
class Owned:
    """An element as the kernel shows it, with its owner's mark."""

    element: Element
    mark: str


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
        for attempt in range(RETRIES):
            try:
                kernel.nft.run("\n".join(self._command(one) for one in wanted))
                return RemoveElements(self.mark, wanted)
            except KernelError:
                missing = self._missing(kernel)
                if all(one.shared for one in missing):
                    return None
                if missing == wanted and attempt > 0:  # nothing was in the way: it has another reason
                    raise
                wanted = missing
        raise Conflict(f"{wanted[0]} is added and removed by somebody else all the time")

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first element that is missing, or another's, or has other data."""
        try:
            missing = self._missing(kernel)
        except Conflict as error:
            return str(error)
        return f"nft element {missing[0]} is missing in {missing[0].place}" if missing else None

    def _command(self, one: Element) -> str:
        verb = "add" if one.shared else "create"
        return f"{verb} element {one.place} {{ {_entry(one, self.mark)} }}"

    def _missing(self, kernel: Kernel) -> tuple[Element, ...]:
        """Return what is not there. Raises Conflict for a key with another owner or other data."""
        seen = {
            (one.element.family, one.element.name, one.element.key): one
            for place in sorted({(one.family, one.name) for one in self.items})
            for one in list_elements(kernel.nft, *place)
        }
        missing = []
        for one in self.items:
            found = seen.get((one.family, one.name, one.key))
            if found is None:
                missing.append(one)
            elif not one.shared and (found.mark != self.mark or found.element.data != one.data):
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
        keys = {(one.family, one.name, one.key) for one in self.items if not one.shared}
        remove_where(kernel, lambda one: one.mark == self.mark and _place(one) in keys)
        return None


@dataclass(frozen=True)
class RemoveOwned(Inverse):
    """Remove every element that carries a mark; none is fine, and so is a table that is not there.

    `prefixes` of set names leave the sets of other plugins in the chain alone; () means every set.
    """

    mark: str
    prefixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"nft delete element … comment {json.dumps(self.mark)}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""
        remove_where(kernel, self._is_meant)
        return None

    def _is_meant(self, one: Owned) -> bool:
        return one.mark == self.mark and (not self.prefixes or one.element.name.startswith(self.prefixes))


@dataclass(frozen=True)
class CollectElements(Inverse):
    """Remove every element of a network whose attachment is not listed as valid."""

    network: str
    valid_marks: frozenset[str]

    def __str__(self) -> str:
        return f"nft delete element … of network {self.network}, but for {len(self.valid_marks)} attachments"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""
        remove_where(kernel, self._is_stale)
        return None

    def _is_stale(self, one: Owned) -> bool:
        return is_of_network(one.mark, self.network) and one.mark not in self.valid_marks


def gc_elements(nft: Nft, network: str, valid_marks: frozenset[str]) -> Op:
    """Return the operation that removes a network's stale elements."""
    return CollectElements(network, valid_marks)


def list_elements(nft: Nft, family: str, name: str = "") -> Iterator[Owned]:
    """Return the elements of one set or map, or of all of a family's, with their marks: O(elements)."""
    if not nft.has_table(family, NFT_TABLE):
        return
    for body in nft.query(f"list table {family} {NFT_TABLE}"):
        for kind in ("set", "map"):
            seen = body.get(kind)
            if seen and (not name or seen["name"] == name):
                yield from (_read(family, seen["name"], entry) for entry in seen.get("elem", ()))


def remove_where(kernel: Kernel, predicate: Callable[[Owned], bool]) -> None:
    """Remove the elements that a predicate picks, then what only their networks shared."""
    for family in FAMILIES:
        for attempt in range(RETRIES):
            found = list(list_elements(kernel.nft, family))
            doomed = [one for one in found if predicate(one)]
            doomed += _orphans(kernel, [one for one in found if one not in doomed])
            if not doomed:
                break
            try:
                kernel.nft.run("\n".join(_delete(one.element) for one in doomed))
                break
            except KernelError:
                if attempt == RETRIES - 1:  # not a race: the kernel will not
                    raise


def describe_mark(mark: str) -> str:
    """Name an owner to a person."""
    parts = mark.split(" ")
    if len(parts) != 3:
        return f"network {mark}" if mark else "somebody who left no mark"
    return f"container {parts[1]} of network {parts[0]} (interface {parts[2]})"


def _orphans(kernel: Kernel, staying: list[Owned]) -> list[Owned]:
    """Return what is shared and needed by no staying pod, if no ADD is about to need it."""
    pairs = [one for one in staying if one.element.name.startswith("same_network")]
    pods = [IPAddress(key) for key in (_pod_of(one) for one in staying) if key]
    idle = [one for one in pairs if not any(pod in _subnet_of(one) for pod in pods)]
    guards = [one for one in staying if one.element.name == "loopback_ports"]
    idle += [one for one in guards if not _routes_loopback(kernel, one.element.key.strip('"'))]
    return idle if idle and kernel.shared.is_alone() else []


def _routes_loopback(kernel: Kernel, ifname: str) -> bool:
    """Tell whether 127.0.0.0/8 may be routed on an interface: as long as it may, its guard stays."""
    return read_sysctl(kernel, Where.HOST, f"ipv4/conf/{ifname}/route_localnet") == "1"


def _pod_of(one: Owned) -> str:
    """Return the pod's address that an element is about, "" if it is about none."""
    if re.fullmatch(r"(masquerade|hairpin|hairpin_all|restricted)[46]", one.element.name):
        return one.element.key
    return ""


def _subnet_of(one: Owned) -> IPNetwork:
    return IPNetwork(one.element.key.split(" ")[0])


def _entry(one: Element, mark: str) -> str:
    owner = mark.split(" ")[0] if one.shared else mark
    comment = f" comment {json.dumps(owner)}"
    return f"{one.key}{comment}{f' : {one.data}' if one.data else ''}"


def _delete(one: Element) -> str:
    return f"delete element {one.place} {{ {one.key} }}"


def _place(one: Owned) -> tuple[str, str, str]:
    return one.element.family, one.element.name, one.element.key


def _read(family: str, name: str, entry: Any) -> Owned:
    key, data = entry if isinstance(entry, list) else (entry, "")
    body: dict[str, Any] = key["elem"] if isinstance(key, dict) and "elem" in key else {"val": key}
    return Owned(Element(family, name, _text(name, body["val"]), _text("", data)), body.get("comment", ""))


def _text(name: str, value: Any) -> str:
    """Write a libnftables-json(5) value as nft's language has it."""
    if isinstance(value, dict) and "concat" in value:
        first, *rest = value["concat"]
        return " . ".join([_text(name, first), *(_text("", one) for one in rest)])
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    if name in ("guarded_ports", "l2_ports", "isolated_ports", "loopback_ports") or name.startswith("port_"):
        return f'"{value}"'
    if isinstance(value, str) and value.startswith("0x"):
        return f"0x{int(value, 16):032x}"
    return str(value)
