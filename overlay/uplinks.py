"""Which link leads to the other nodes: chosen by the routes to them, looked at again when those change."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from linuxnet.errors import KernelError
from linuxnet.netlink import Netlink
from linuxnet.rtnetlink_answers import Link
from overlay.place import Uplink
from overlay.settings import OverlaySettings
from overlay.subnet import BITS, Subnet, enclosing

SOMEWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}  # RFC 5737, RFC 3849: where only a default route leads
RT_SCOPE_UNIVERSE = 0
_IFA_F_TEMPORARY, _IFA_F_DADFAILED, _IFA_F_DEPRECATED, _IFA_F_PERMANENT = 0x01, 0x08, 0x20, 0x80


def find_uplinks(
    netlink: Netlink,
    settings: OverlaySettings,
    targets: Collection[str],
    *,
    networks: Collection[Subnet] = (),
    own: Collection[int] = (),
) -> dict[int, Uplink]:
    """Return the uplink of each underlay family there is.

    `targets` are addresses of other nodes or of the registry: the route to the first of them that has one
    decides. Then the default route does, then the one link with an address. `networks` are the pods', whose
    addresses are no underlay's; `own` the indexes of tunnels.
    """
    found = {}
    addresses = _addresses(netlink, networks, own)
    for version in (4, 6):
        index = _choose(netlink, settings, version, targets, addresses)
        link = netlink.find_link_at(index) if index else None
        if link is not None:
            address = _best_address(settings, version, addresses, link)
            if address:
                found[version] = Uplink(link.name, link.index, address, link.mtu)
    return found


def is_on_link(netlink: Netlink, uplink: Uplink, address: str) -> bool:
    """Tell whether an address is reached over the uplink without a router in between."""
    try:
        route = netlink.route_to(address)
    except KernelError:  # no way at all
        return False
    return route.get("oif") == uplink.index and not route.get("gateway") and not route.get("via")


def _choose(
    netlink: Netlink,
    settings: OverlaySettings,
    version: int,
    targets: Iterable[str],
    addresses: Mapping[int, list[Mapping[str, Any]]],
) -> int:
    if settings.interface:
        link = netlink.find_link(settings.interface)
        return link.index if link else 0
    wished = settings.public_ipv6 if version == 6 else settings.public_ip
    if wished:
        return next((i for i, all_ in addresses.items() if any(_text(one) == wished for one in all_)), 0)
    for target in [*(one for one in targets if (":" in one) == (version == 6)), SOMEWHERE[version]]:
        try:
            index = int(netlink.route_to(target).get("oif") or 0)
        except KernelError:  # no route
            continue
        if index in addresses:
            return index
    usable = [i for i, all_ in addresses.items() if any(_version(one) == version for one in all_)]
    return min(usable, default=0)


def _addresses(
    netlink: Netlink, networks: Collection[Subnet], own: Collection[int]
) -> dict[int, list[Mapping[str, Any]]]:
    """Return global addresses by link, those of loopback, pods and tunnels left out."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for one in netlink.addresses():
        is_global = (
            one["scope"] == RT_SCOPE_UNIVERSE and not _text(one).startswith("127.") and _text(one) != "::1"
        )
        if not is_global or one["index"] in own or one["flags"] & _IFA_F_DADFAILED:
            continue
        host = enclosing(_text(one), BITS[_version(one)])
        if not any(network.covers(host) for network in networks):
            found.setdefault(one["index"], []).append(one)
    return found


def _best_address(
    settings: OverlaySettings, version: int, addresses: Mapping[int, list[Mapping[str, Any]]], link: Link
) -> str:
    """Return a link's address: the wished one, else a lasting one before a passing one."""
    wished = settings.public_ipv6 if version == 6 else settings.public_ip
    mine = [one for one in addresses.get(link.index, []) if _version(one) == version]
    if wished:
        return wished if any(_text(one) == wished for one in mine) else ""
    usable = [
        one for one in mine if not one["flags"] & (_IFA_F_TEMPORARY * (version == 6) | _IFA_F_DEPRECATED)
    ]
    usable.sort(key=lambda one: not one["flags"] & _IFA_F_PERMANENT)
    return _text(usable[0]) if usable else ""


def _text(address: Mapping[str, Any]) -> str:
    return str(address.get("local") or address.get("address") or "")


def _version(address: Mapping[str, Any]) -> int:
    return 6 if address["family"] == socket.AF_INET6 else 4
