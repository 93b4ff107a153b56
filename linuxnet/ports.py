"""A bridge's ports: what the bridge does with a frame, and the VLANs a port belongs to."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op
from linuxnet.rtnetlink_answers import Link

PVID, UNTAGGED = 1 << 1, 1 << 2  # BRIDGE_VLAN_INFO_* in linux/if_bridge.h
DEFAULT_VLAN = 1  # what a bridge gives to a new port (vlan_default_pvid)
ACCESS, TAGGED = PVID | UNTAGGED, 0  # the two memberships the plugins give

Ranges = tuple[tuple[int, int, int], ...]  # first VLAN, last VLAN, flags


@dataclass(frozen=True)
class PortFlags:
    """`hairpin`: a frame may leave by the port it came in. `isolated`: not to other isolated ports."""

    name: str
    hairpin: bool
    isolated: bool

    def __str__(self) -> str:
        said = " ".join(f"{key} {'on' if value else 'off'}" for key, value in self._wanted().items())
        return f"bridge link set dev {self.name} {said}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Set what differs; the inverse sets it back."""
        link = kernel.host.get_link(self.name)
        seen = _flags_of(link)
        changed = {key: value for key, value in self._wanted().items() if seen[key] != value}
        if not changed:
            return None
        request = {_ATTRIBUTES[key]: int(value) for key, value in changed.items()}
        kernel.host.request("brport", "set", index=link.index, **request)
        return PortFlags(self.name, **seen)

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first flag that is not as wanted."""
        link = kernel.host.find_link(self.name)
        if link is None or link.port is None:
            return f"{self.name} is {'missing' if link is None else 'no port of a bridge'}"
        seen = _flags_of(link)
        for key, value in self._wanted().items():
            if seen[key] != value:
                return f"bridge port {self.name}: {key} is {_on(seen[key])}, not {_on(value)}"
        return None

    def _wanted(self) -> dict[str, bool]:
        return {"hairpin": self.hairpin, "isolated": self.isolated}


_ATTRIBUTES = {"hairpin": "mode", "isolated": "isolated"}  # IFLA_BRPORT_* (linux/if_link.h)


def _flags_of(link: Link) -> dict[str, bool]:
    """Return a port's flags. Raises KernelError (EINVAL) if the link is no port."""
    if link.port is None:
        raise KernelError(errno.EINVAL, f"bridge link set dev {link.name}", "it is no port of a bridge")
    return {"hairpin": link.port.hairpin, "isolated": link.port.isolated}


@dataclass(frozen=True)
class PortVlans:
    """The VLANs of a port: `vlan` untagged (0: none), `trunk` tagged.

    The VLANs that the bridge gave to the new port go, unless `preserve_default`. A port with a trunk
    alone takes frames without a tag as of VLAN 1, as the reference plugin's do.
    """

    name: str
    vlan: int
    trunk: tuple[int, ...]
    preserve_default: bool = False

    def __str__(self) -> str:
        add = [f"bridge vlan add dev {self.name} {_say(one)}" for one in ranges(self._wanted())]
        goes = not self.preserve_default and DEFAULT_VLAN not in self._wanted()
        return "; ".join([f"bridge vlan del dev {self.name} vid {DEFAULT_VLAN}"] * goes + add)

    def apply(self, kernel: Kernel) -> Op | None:
        """Set what differs. Raises KernelError on a kernel without bridge VLAN filtering."""
        index = kernel.host.get_link(self.name).index
        seen, wanted = port_vlans(kernel, index), self._wanted()
        remove = {} if self.preserve_default else {v: f for v, f in seen.items() if v not in wanted}
        add = {vlan: flags for vlan, flags in wanted.items() if seen.get(vlan) != flags}
        if not remove and not add:
            return None
        set_port_vlans(kernel, index, remove=ranges(remove), add=ranges(add))
        return RestoreVlans(self.name, ranges(seen), ranges(wanted))

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first VLAN that is missing, or there in another way, or not wanted."""
        link = kernel.host.find_link(self.name)
        if link is None:
            return f"{self.name} is missing"
        seen, wanted = port_vlans(kernel, link.index), self._wanted()
        for one in ranges({vlan: flags for vlan, flags in wanted.items() if seen.get(vlan) != flags}):
            return f"bridge port {self.name} is not in VLAN {_say(one)}"
        for one in ranges({v: f for v, f in seen.items() if v not in wanted}):
            return None if self.preserve_default else f"bridge port {self.name} is in VLAN {_say(one)}"
        return None

    def _wanted(self) -> dict[int, int]:
        tagged = dict.fromkeys(self.trunk, TAGGED)
        if self.vlan:
            return tagged | {self.vlan: ACCESS}
        return {DEFAULT_VLAN: ACCESS} | tagged if tagged else {}


@dataclass(frozen=True)
class RestoreVlans(Inverse):
    """Give a port back the VLANs it had; a port that is gone needs none."""

    name: str
    before: Ranges
    added: Ranges

    def __str__(self) -> str:
        return "; ".join(f"bridge vlan add dev {self.name} {_say(one)}" for one in self.before)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove what was added, then add what was there."""
        link = kernel.host.find_link(self.name)
        if link is not None and link.port:
            set_port_vlans(kernel, link.index, remove=self.added, add=self.before)
        return None


def port_vlans(kernel: Kernel, index: int) -> dict[int, int]:
    """Return a port's VLANs and the flags of each membership."""
    return {
        vlan: entry["flags"] & ACCESS
        for entry in kernel.pyroute.port_vlans(index)
        for vlan in range(entry["first"], entry["last"] + 1)
    }


def set_port_vlans(kernel: Kernel, index: int, *, remove: Ranges = (), add: Ranges = ()) -> None:
    """Take a port out of VLANs and put it into others, a range a request.

    Raises:
        KernelError: EOPNOTSUPP, where the kernel's bridge knows no VLANs.
    """
    try:
        for command, wanted in (("del", remove), ("add", add)):
            for one in wanted:
                kernel.pyroute.request("vlan_filter", command, index=index, vlan_info=_info(one, command))
    except KernelError as error:
        if error.errno == errno.EOPNOTSUPP:
            said = "this kernel's bridge has no VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)"
            raise KernelError(error.errno, f"set the VLANs of port {index}", said) from error
        raise


def ranges(vlans: Mapping[int, int]) -> Ranges:
    """Return neighbouring tagged VLANs as ranges; a PVID must be alone (net/bridge/br_netlink.c)."""
    return tuple(_merged(sorted(vlans.items())))


def _merged(vlans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    run: tuple[int, int, int] | None = None
    for vlan, flags in vlans:
        if run is not None and vlan == run[1] + 1 and flags == run[2] == TAGGED:
            run = (run[0], vlan, flags)
            continue
        if run is not None:
            yield run
        run = (vlan, vlan, flags)
    if run is not None:
        yield run


def _info(one: tuple[int, int, int], command: str) -> dict[str, object]:
    """Return a range in pyroute2's words; a removal needs no flags."""
    first, last, flags = one
    if first != last:
        return {"vid": f"{first}-{last}"}
    return {"vid": first, "flags": flags if command == "add" else 0}


def _say(one: tuple[int, int, int]) -> str:
    first, last, flags = one
    vlans = f"vid {first}" if first == last else f"vid {first}-{last}"
    return f"{vlans}{' pvid' if flags & PVID else ''}{' untagged' if flags & UNTAGGED else ''}"


def _on(value: bool) -> str:
    return "on" if value else "off"
