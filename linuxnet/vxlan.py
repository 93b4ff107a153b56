"""VXLAN devices: classic ones as flannel makes them, and VXLAN-GPE in external mode (linux/if_link.h).

What can be changed on a living device and what cannot was tried on Linux 6.18: local address, link, `df`,
learning, MTU and MAC can; VNI, port, checksums and the modes need a new device. The port is bound when the
device comes up, on every address of the host, and only then is it refused (EADDRINUSE).

The kernel sums outer UDP of IPv4 unless it is told not to; a sum of zero (RFC 7348 section 5) avoids
a family of faults between offloads and netfilter, so it is said explicitly.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, replace

from linuxnet.errors import Busy, KernelError
from linuxnet.netlink import Netlink
from linuxnet.netlink_wire import attribute, read_attributes, read_text, read_u32, u32
from linuxnet.rtnetlink import IFINFO, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO
from linuxnet.rtnetlink_answers import read_link

(
    _ID, _LINK, _LOCAL, _LEARNING, _PORT, _LOCAL6, _CSUM, _ZERO_CSUM6_RX, _GBP, _EXTERNAL, _GPE, _DF,
) = 1, 3, 4, 7, 15, 17, 18, 20, 23, 25, 27, 29  # IFLA_VXLAN_*  # fmt: skip
DF_INHERIT = 2  # VXLAN_DF_INHERIT: the inner packet decides; without it a small path fragments in silence


@dataclass(frozen=True)
class Vxlan:
    """One device. `local` an address, "" for any; `link` an interface index, 0 for none; `mtu` in bytes.

    `is_external`: VXLAN-GPE whose VNI and peer come with each packet, from a nexthop. `has_checksum` False:
    outer UDP sums are zero over IPv4. `index` and `is_up` are the kernel's to say.
    """

    name: str
    port: int
    vni: int = 0
    mac: str = ""
    mtu: int = 0
    local: str = ""
    link: int = 0
    is_external: bool = False
    has_checksum: bool = False
    df: int = DF_INHERIT
    is_learning: bool = False
    index: int = 0
    is_up: bool = False

    def __str__(self) -> str:
        mode = (
            "external gpe" if self.is_external else f"id {self.vni} local {self.local} nolearning df inherit"
        )
        return f"ip link add {self.name} mtu {self.mtu} type vxlan {mode} dstport {self.port}"

    def data(self) -> bytes:
        """Return IFLA_INFO_DATA's content."""
        parts = [attribute(_PORT, self.port.to_bytes(2, "big")), attribute(_LEARNING, b"\0")]
        if self.is_external:
            parts += [attribute(_EXTERNAL, b"\1"), attribute(_GPE, b"")]
            return b"".join([*parts, attribute(_CSUM, b"\0"), attribute(_ZERO_CSUM6_RX, b"\1")])
        parts += [
            u32(_ID, self.vni),
            attribute(_CSUM, bytes([self.has_checksum])),
            attribute(_DF, bytes([self.df])),
        ]
        parts += [u32(_LINK, self.link)] if self.link else []
        return b"".join([*parts, _local(self.local)])

    def is_same_tunnel(self, other: Vxlan) -> bool:
        """Tell whether the other could be made this one without a new device.

        Checksums are none of it: a device that was flannel's has them, and works.
        """
        return (self.port, self.vni, self.is_external) == (other.port, other.vni, other.is_external)


def find_vxlan(netlink: Netlink, name: str) -> Vxlan | None:
    """Return the device of that name; None if there is none.

    Raises:
        Busy: something else has that name.
    """
    body = netlink.link_message(name)
    if body is None:
        return None
    link = read_link(body)
    info = read_attributes(read_attributes(body, IFINFO.size).get(IFLA_LINKINFO, b""))
    if read_text(info.get(IFLA_INFO_KIND, b"")) != "vxlan":
        raise Busy(f"{name} exists and is no VXLAN device but {link.kind or 'another'}")
    at = read_attributes(info.get(IFLA_INFO_DATA, b""))
    local = at.get(_LOCAL) or at.get(_LOCAL6) or b""
    family = socket.AF_INET if len(local) == 4 else socket.AF_INET6
    return Vxlan(
        name=name, port=int.from_bytes(at.get(_PORT, b""), "big"), vni=read_u32(at[_ID]) if _ID in at else 0,
        mac=link.mac, mtu=link.mtu,
        local=socket.inet_ntop(family, local) if any(local) else "",
        link=read_u32(at[_LINK]) if _LINK in at else 0, is_external=at.get(_EXTERNAL) == b"\1",
        has_checksum=at.get(_CSUM) == b"\1", df=at.get(_DF, b"\0")[0], is_learning=at.get(_LEARNING) == b"\1",
        index=link.index, is_up=link.is_up,
    )  # fmt: skip


def create_vxlan(netlink: Netlink, wanted: Vxlan) -> None:
    """Make a device and bring it up.

    Raises:
        Busy: its port is taken, in this namespace and another mode, or its VNI; nothing is left of it.
        KernelError: the kernel refused.
    """
    fields = {"mtu": wanted.mtu} if wanted.mtu else {}
    mac = {"address": wanted.mac} if wanted.mac else {}
    try:
        netlink.request("link", "add", ifname=wanted.name, kind="vxlan", data=wanted.data(), **fields, **mac)
    except KernelError as error:
        if error.errno == errno.EEXIST:  # the kernel looks at the port only when it comes up, at the VNI now
            said = f"VNI {wanted.vni} of UDP port {wanted.port}, or the name, is another device's"
            raise Busy(f"{wanted.name} cannot be made: {said}") from error
        raise
    try:
        netlink.request("link", "set", ifname=wanted.name, state="up")
    except KernelError as error:
        netlink.request("link", "del", ifname=wanted.name)
        if error.errno == errno.EADDRINUSE:
            raise Busy(f"UDP port {wanted.port} of {wanted.name} is another device's or program's") from error
        raise


def change_vxlan(netlink: Netlink, seen: Vxlan, wanted: Vxlan) -> list[str]:
    """Change what differs on a living device; return what was changed, in words.

    An MTU or MAC of none in `wanted` leaves what is there.
    """
    changed = []
    if wanted.mtu and seen.mtu != wanted.mtu:
        netlink.request("link", "set", index=seen.index, mtu=wanted.mtu)
        changed.append(f"mtu {seen.mtu} -> {wanted.mtu}")
    if wanted.mac and seen.mac != wanted.mac:
        netlink.request("link", "set", index=seen.index, address=wanted.mac)
        changed.append(f"address {seen.mac} -> {wanted.mac}")
    if not wanted.is_external and _of_tunnel(seen) != _of_tunnel(wanted):
        parts = [attribute(_DF, bytes([wanted.df])), attribute(_LEARNING, bytes([wanted.is_learning]))]
        if seen.local != wanted.local:
            parts.append(_local(wanted.local))
        if wanted.link and seen.link != wanted.link:
            parts.append(u32(_LINK, wanted.link))
        netlink.request("link", "set", index=seen.index, kind="vxlan", data=b"".join(parts))
        changed.append(f"local {seen.local} -> {wanted.local}, df {seen.df} -> {wanted.df}")
    if not seen.is_up:
        netlink.request("link", "set", index=seen.index, state="up")
        changed.append("up")
    return changed


def remove_vxlan(netlink: Netlink, name: str) -> None:
    """Delete a device; gone already is fine."""
    try:
        netlink.request("link", "del", ifname=name)
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise


def as_found(wanted: Vxlan, seen: Vxlan) -> Vxlan:
    """Return the wanted device with what only the kernel can say."""
    return replace(wanted, index=seen.index, is_up=seen.is_up, mac=wanted.mac or seen.mac)


def _of_tunnel(device: Vxlan) -> tuple[str, int, int, bool]:
    return device.local, device.link, device.df, device.is_learning


def _local(address: str) -> bytes:
    if not address:
        return b""
    family, kind = (socket.AF_INET6, _LOCAL6) if ":" in address else (socket.AF_INET, _LOCAL)
    return attribute(kind, socket.inet_pton(family, address))
