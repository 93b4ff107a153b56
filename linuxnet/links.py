"""Links: a bridge, a veth pair, the state of a link, and their removal."""

from __future__ import annotations

import errno
from dataclasses import dataclass, fields
from typing import Any

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.numbers import LINK_GROUP
from linuxnet.op import Inverse, Op, Where
from linuxnet.rtnetlink import IFF_UP
from linuxnet.rtnetlink_answers import Link

IFF_PROMISC, IFF_ALLMULTI = 0x100, 0x200  # linux/if.h


@dataclass(frozen=True)
class Bridge:
    """A bridge that attachments share. `mtu` (bytes) and `vlan_filtering` hold for a new one only.

    `mac` is set for good at once: a bridge without one of its own takes its ports' and changes it
    whenever one leaves, and every pod's neighbour entry for the gateway with it.
    """

    name: str
    mac: str
    mtu: int | None = None
    vlan_filtering: bool = False

    def __str__(self) -> str:
        mtu = f" mtu {self.mtu}" if self.mtu else ""
        vlan = " vlan_filtering 1" if self.vlan_filtering else ""
        return f"ip link add {self.name} address {self.mac}{mtu} type bridge{vlan}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Create it and bring it up, or adopt the bridge that is there."""
        _ = kernel.shared
        if kernel.host.find_link(self.name) is None and self._create(kernel):
            return RemoveIdleBridge(self.name)
        seen = kernel.host.get_link(self.name)
        if seen.kind != "bridge":
            raise Conflict(f"{self.name} exists and is no bridge but {seen.kind or 'a device'}")
        return None

    def _create(self, kernel: Kernel) -> bool:
        options: dict[str, Any] = {"mtu": self.mtu} if self.mtu else {}
        if self.vlan_filtering:
            options["br_vlan_filtering"] = 1
        try:
            kernel.host.request("link", "add", ifname=self.name, kind="bridge", address=self.mac, **options)
        except KernelError as error:
            if error.errno != errno.EEXIST:  # somebody else was faster
                raise
            return False
        return True

    def difference(self, kernel: Kernel) -> str | None:
        """Look for a bridge of that name; its address and MTU may have been there before us."""
        seen = kernel.host.find_link(self.name)
        if seen is None:
            return f"bridge {self.name} is missing"
        return None if seen.kind == "bridge" else f"{self.name} is no bridge but {seen.kind}"


@dataclass(frozen=True)
class RemoveIdleBridge(Inverse):
    """Remove a bridge, if nobody is attached or about to be."""

    name: str

    def __str__(self) -> str:
        return f"ip link delete {self.name} type bridge"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it has no port and no other ADD is under way."""
        link = kernel.host.find_link(self.name)
        if link is not None and is_idle(kernel, link):
            kernel.host.request("link", "del", index=link.index)
        return None


@dataclass(frozen=True)
class Veth:
    """A veth pair, one end here and up, the other already in the container: one message.

    Its alias, the owner's mark, takes a second message; until it is there the link group says that the
    link is ours, so that GC can tell a half-made one from another's.
    """

    name: str
    peer: str
    alias: str
    mtu: int | None = None  # bytes
    mac: str | None = None  # the container's end
    master: str | None = None

    def __str__(self) -> str:
        mtu = f" mtu {self.mtu}" if self.mtu else ""
        mac = f" address {self.mac}" if self.mac else ""
        master = f" master {self.master}" if self.master else ""
        peer = f"peer name {self.peer}{mtu}{mac} netns CONTAINER"
        return f"ip link add {self.name} up{mtu}{master} type veth {peer}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Create it. Raises Conflict if either name is taken, naming the owner."""
        try:
            kernel.host.request("link", "add", **self._fields(kernel))
        except KernelError as error:
            if error.errno == errno.EEXIST:
                raise Conflict(self._who_is_there(kernel)) from error
            raise
        self._name_owner(kernel)
        return RemoveLink(Where.HOST, self.name)

    def _fields(self, kernel: Kernel) -> dict[str, Any]:
        both: dict[str, Any] = {"mtu": self.mtu} if self.mtu else {}
        peer = both | {"ifname": self.peer, "net_ns_fd": kernel.container_descriptor}
        if self.mac:
            peer["address"] = self.mac
        fields = both | {
            "ifname": self.name,
            "kind": "veth",
            "group": LINK_GROUP,
            "state": "up",
            "peer": peer,
        }
        return fields | ({"master": kernel.host.index_of(self.master)} if self.master else {})

    def _name_owner(self, kernel: Kernel) -> None:
        try:
            kernel.host.request("link", "set", ifname=self.name, alias=self.alias, group=0)
        except KernelError:
            kernel.host.request("link", "del", ifname=self.name)
            raise

    def _who_is_there(self, kernel: Kernel) -> str:
        if kernel.container.find_link(self.peer) is not None:
            return f"the container has an interface {self.peer} already"
        seen = kernel.host.find_link(self.name)
        owner = f" ({seen.alias})" if seen and seen.alias else ""
        return f"host interface {self.name} exists already{owner}; DEL of that attachment removes it"

    def difference(self, kernel: Kernel) -> str | None:
        """Look at both ends, their relation, the master and the owner's mark."""
        inner = kernel.container.find_link(self.peer)
        outer = kernel.host.find_link(self.name)
        if inner is None:
            return f"interface {self.peer} is missing in the container"
        if outer is None:
            return f"host interface {self.name} is missing"
        if outer.kind != "veth" or outer.peer != inner.index or inner.peer != outer.index:
            return f"{self.name} and the container's {self.peer} are not the two ends of one veth"
        if outer.alias != self.alias:
            return f"host interface {self.name} carries {outer.alias!r}, not its owner {self.alias!r}"
        if not outer.is_up:
            return f"host interface {self.name} is down"
        return self._master_difference(kernel, outer)

    def _master_difference(self, kernel: Kernel, outer: Link) -> str | None:
        if self.mtu and outer.mtu != self.mtu:
            return f"host interface {self.name} has MTU {outer.mtu}, not {self.mtu}"
        wanted = kernel.host.find_link(self.master) if self.master else None
        if self.master and (wanted is None or outer.master != wanted.index):
            return f"host interface {self.name} is not attached to {self.master}"
        return None


@dataclass(frozen=True)
class RemoveLink:
    """Delete a link by name; a veth takes its other end along. Gone already is fine."""

    where: Where
    name: str

    def __str__(self) -> str:
        return f"ip {self.where}link delete {self.name}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Delete it if it is there."""
        if self.where is Where.HOST:
            kernel.unlinker.remove((self.name,))
            return None
        try:
            kernel.container.request("link", "del", ifname=self.name)
        except KernelError as error:
            if error.errno not in (errno.ENODEV, errno.ENOENT):  # gone: what we wanted
                raise
        return None

    def difference(self, kernel: Kernel) -> str | None:
        """Tell if it is still there."""
        return f"{self.name} is still there" if kernel.at(self.where).find_link(self.name) else None


@dataclass(frozen=True)
class RemoveLinks(Inverse):
    """Delete links of the host together. Gone already is fine."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(f"ip link delete {name}" for name in self.names)

    def apply(self, kernel: Kernel) -> Op | None:
        """Delete those that are there."""
        kernel.unlinker.remove(self.names)
        return None


@dataclass(frozen=True)
class LinkState:
    """What is set on one link; None leaves a field alone. `mtu` in bytes, `txqlen` in packets.

    `shared`: a bridge others may rely on; it is put back only while it is idle and we are alone.
    """

    where: Where
    name: str
    up: bool | None = None
    promisc: bool | None = None
    allmulti: bool | None = None
    mtu: int | None = None
    mac: str | None = None
    txqlen: int | None = None
    shared: bool = False

    def __str__(self) -> str:
        words = {
            "up": ("down", "up"),
            "promisc": ("promisc off", "promisc on"),
            "allmulti": ("allmulticast off", "allmulticast on"),
        }
        said = [
            words[k][v] if k in words else f"{_IPROUTE2.get(k, k)} {v}" for k, v in self._wanted().items()
        ]
        return f"ip {self.where}link set {self.name} {' '.join(said)}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Set what differs; the inverse sets it back."""
        if self.shared:
            _ = kernel.shared
        link = kernel.at(self.where).get_link(self.name)
        seen = state_of(link)
        changed = {key: value for key, value in self._wanted().items() if seen[key] != value}
        if not changed:
            return None
        kernel.at(self.where).request("link", "set", index=link.index, **_request_fields(changed))
        before = LinkState(self.where, self.name, **{key: seen[key] for key in changed})
        return RestoreIdle(before) if self.shared else before

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first field that is not as wanted."""
        link = kernel.at(self.where).find_link(self.name)
        if link is None:
            return f"interface {self.name} is missing"
        seen = state_of(link)
        for key, value in self._wanted().items():
            if seen[key] != value:
                return f"interface {self.name}: {key} is {seen[key]}, not {value}"
        return None

    def _wanted(self) -> dict[str, Any]:
        names = [field.name for field in fields(self)][2:-1]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class RestoreIdle(Inverse):
    """Put a bridge's state back, if nobody is attached or about to be."""

    state: LinkState

    def __str__(self) -> str:
        return str(self.state)

    def apply(self, kernel: Kernel) -> Op | None:
        """Set it back; a bridge that is gone needs nothing."""
        link = kernel.host.find_link(self.state.name)
        if link is not None and is_idle(kernel, link):
            kernel.apply(self.state)
        return None


def is_idle(kernel: Kernel, bridge: Link) -> bool:
    """Tell whether a bridge has no port and no other ADD is under way."""
    return kernel.is_alone() and not list(kernel.host.links(master=bridge.index))


_IPROUTE2 = {"mac": "address", "txqlen": "txqueuelen"}
_FLAGS = {"up": IFF_UP, "promisc": IFF_PROMISC, "allmulti": IFF_ALLMULTI}


def state_of(link: Link) -> dict[str, Any]:
    """Return what `LinkState` can set, as it is now."""
    flags = {name: bool(link.flags & bit) for name, bit in _FLAGS.items()}
    return flags | {"mtu": link.mtu, "mac": link.mac, "txqlen": link.txqlen}


def _request_fields(changed: dict[str, Any]) -> dict[str, Any]:
    """Flags go as value and mask (ifi_flags, ifi_change), the rest as attributes."""
    names = {"mac": "address", "mtu": "mtu", "txqlen": "txqlen"}
    request = {names[key]: value for key, value in changed.items() if key in names}
    mask = sum(_FLAGS[key] for key in changed if key in _FLAGS)
    if mask:
        request |= {
            "flags": sum(_FLAGS[key] for key in changed if key in _FLAGS and changed[key]),
            "change": mask,
        }
    return request
