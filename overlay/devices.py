"""The node's tunnels: the devices it should have, made, changed while they live, or made anew.

Names are flannel's ("flannel.1", "flannel-v6.1"), so that a node which was flannel's keeps its device, MAC
and all, and its pods do not notice. A second device of the same VNI, which there is while the port
changes, is named by its port.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from linuxnet.errors import Busy, KernelError
from linuxnet.netlink import Netlink
from linuxnet.rtnetlink import IFA_F_NODAD
from linuxnet.vxlan import Vxlan, change_vxlan, create_vxlan, find_vxlan, remove_vxlan
from overlay.mtu import inner_mtu
from overlay.place import Tunnel, TunnelKey, Uplink
from overlay.record import Mode, Offer
from overlay.subnet import Subnet

SYSCTLS = {4: {"rp_filter": "2"}, 6: {"accept_ra": "0", "accept_dad": "0"}}  # of a tunnel
ALIAS = "podwire overlay"
PROC = Path("/proc/sys/net")

log = logging.getLogger("podwire.overlay")


def offered_devices(
    offers: Iterable[Offer], uplinks: Mapping[int, Uplink], *, port: int, mtu: int = 0
) -> dict[TunnelKey, Vxlan]:
    """Return the devices that offers need. `port` is the network's; `mtu` the underlay's, 0: its own."""
    wanted: dict[TunnelKey, Vxlan] = {}
    for offer in offers:
        number = offer.port or port
        if offer.mode is Mode.DIRECT:
            continue
        outers = [outer for outer in (4, 6) if outer in uplinks]
        if offer.mode is Mode.GPE:
            if outers:
                least = min(inner_mtu(mtu or uplinks[one].mtu, Mode.GPE, one) for one in outers)
                device = Vxlan(f"podwire.{offer.vni}", number, mtu=least, is_external=True)
                wanted |= {(Mode.GPE, outer, number, offer.vni): device for outer in outers}
            continue
        for outer in outers:
            name = f"flannel.{offer.vni}" if outer == 4 else f"flannel-v6.{offer.vni}"
            uplink, mac = uplinks[outer], offer.mac4 if outer == 4 else offer.mac6
            wanted[Mode.VXLAN, outer, number, offer.vni] = Vxlan(
                name, number, offer.vni, mac=mac, mtu=inner_mtu(mtu or uplink.mtu, Mode.VXLAN, outer),
                local=uplink.address, link=uplink.index,
            )  # fmt: skip
    return wanted


def ensure_devices(
    netlink: Netlink, wanted: Mapping[TunnelKey, Vxlan], subnets: Iterable[Subnet]
) -> tuple[dict[TunnelKey, Tunnel], dict[TunnelKey, str]]:
    """Make the kernel's devices those that are wanted; return the tunnels, and why others could not be.

    Raises:
        KernelError: the kernel refused what should work.
    """
    tunnels: dict[TunnelKey, Tunnel] = {}
    refused: dict[TunnelKey, str] = {}
    subnets = tuple(subnets)
    for key, device in wanted.items():
        try:
            seen = _ensure(netlink, device)
        except Busy as error:
            refused[key] = str(error)
            continue
        mode, outer, port, vni = key
        _ensure_addresses(
            netlink, seen.index, subnets, outer=None if device.is_external else outer, wanted=wanted
        )
        _ensure_sysctls(seen.name)
        tunnels[key] = Tunnel(mode, outer, seen.name, seen.index, seen.mtu, vni, port)
    return tunnels, refused


def remove_devices(netlink: Netlink, keep: Iterable[str]) -> list[str]:
    """Delete tunnels of ours that are no longer wanted; return their names."""
    kept = set(keep)
    gone = [link.name for link in netlink.links() if link.alias == ALIAS and link.name not in kept]
    for name in gone:
        remove_vxlan(netlink, name)
    return gone


def own_devices(netlink: Netlink) -> dict[str, int]:
    """Return the indexes of tunnels of ours by name."""
    return {link.name: link.index for link in netlink.links() if link.alias == ALIAS}


def _ensure(netlink: Netlink, wanted: Vxlan) -> Vxlan:
    """Find, change or make one device. One that has the name but another port or VNI stays: pods use it."""
    there = {name: find_vxlan(netlink, name) for name in (wanted.name, _second_name(wanted))}
    same = next((one for one in there.values() if one is not None and one.is_same_tunnel(wanted)), None)
    name = same.name if same else next((name for name, one in there.items() if one is None), "")
    if not name:
        raise Busy(f"{' and '.join(there)} are both taken by other tunnels")
    if same is None:
        create_vxlan(netlink, replace(wanted, name=name))
        log.info("%s is made: %s", name, wanted)
    elif changes := change_vxlan(netlink, same, replace(wanted, mac=wanted.mac or same.mac)):
        log.info("%s: %s", name, ", ".join(changes))
    link = netlink.find_link(name)
    if link is not None and link.alias != ALIAS:  # each setting is an event, which would call us again
        netlink.request("link", "set", ifname=name, alias=ALIAS)
    made = find_vxlan(netlink, name)
    if made is None:
        raise KernelError(errno.ENODEV, f"link get {name}")
    return made


def _second_name(wanted: Vxlan) -> str:
    """Return the name of a device that lives beside another one: "flannel.1" at port 4789 is "fl4789.1"."""
    prefix = {"f": "fl6" if "-v6" in wanted.name else "fl", "p": "pw"}[wanted.name[0]]
    return f"{prefix}{wanted.port}.{wanted.vni}"[:15]


def _ensure_addresses(
    netlink: Netlink,
    index: int,
    subnets: tuple[Subnet, ...],
    *,
    outer: int | None,
    wanted: Mapping[TunnelKey, Vxlan],
) -> None:
    """Give a tunnel the subnets' own addresses, and take away those of a subnet of before.

    A classic tunnel has those of the family that flannel gives it; without the other tunnel it has both.
    """
    has_both = outer is None or len({key[1] for key in wanted if key[0] is Mode.VXLAN}) < 2
    mine = {one.address: one for one in subnets if has_both or one.version == outer}
    seen = {
        str(one.get("local") or one.get("address")): one
        for one in netlink.addresses(index)
        if one["scope"] == 0
    }
    for text, subnet in mine.items():
        if text not in seen:
            length = 32 if subnet.version == 4 else 128
            flags = IFA_F_NODAD if subnet.version == 6 else 0
            netlink.request("addr", "add", index=index, address=text, prefixlen=length, flags=flags)
    for text, one in seen.items():
        if text not in mine:
            netlink.request("addr", "del", index=index, address=text, prefixlen=one["prefixlen"])


def _ensure_sysctls(name: str) -> None:
    for version, settings in SYSCTLS.items():
        for key, value in settings.items():
            write_sysctl(f"ipv{version}/conf/{name}/{key}", value)


def write_sysctl(path: str, value: str) -> str:
    """Set a sysctl below /proc/sys/net if it differs; return why not, "" if it is so now."""
    file = PROC / path
    try:
        if file.read_text().strip() != value:
            file.write_text(value)
    except FileNotFoundError:  # a kernel without IPv6, or the device has just gone
        return ""
    except OSError as error:
        return f"{file} could not be set to {value}: {error.strerror}"
    return ""
