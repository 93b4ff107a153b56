"""A node's links, tunnels and ways to other nodes, as the kernel of this network namespace shows them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from linuxnet.errors import Busy
from linuxnet.forwarding_dumps import Seen
from linuxnet.forwarding_dumps import look as look_at_ways
from linuxnet.forwarding_entries import FdbEntry, NeighbourEntry, Nexthop, RouteEntry
from linuxnet.netlink import Netlink
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from linuxnet.owner import mark_of_alias
from linuxnet.rtnetlink_answers import Link as SeenLink
from linuxnet.vxlan import find_vxlan
from podwire.map.model import Link, Tunnel, Way

VXLAN = "vxlan"


def look_at_links(netlink: Netlink) -> tuple[Link, ...]:
    """Return all links but `lo`, in the kernel's order. Raises KernelError."""
    seen = list(netlink.links())
    names = {link.index: link.name for link in seen}
    addresses: dict[int, list[str]] = {}
    for one in netlink.addresses():
        text = str(one.get("local") or one.get("address") or "")
        if text and not ip_address(text).is_link_local:
            addresses.setdefault(one["index"], []).append(f"{text}/{one['prefixlen']}")
    return tuple(_link(one, names, addresses.get(one.index, ())) for one in seen if one.name != "lo")


def look_at_tunnels(netlink: Netlink, links: Sequence[Link]) -> tuple[Tunnel, ...]:
    """Return the devices that lead to many nodes. Raises KernelError."""
    return tuple(one for link in links if link.kind == VXLAN for one in _tunnel(netlink, link.name))


def look_at_overlay(netlink: Netlink, links: Sequence[Link]) -> tuple[Way, ...]:
    """Return what leads to other nodes, by subnet. Raises KernelError."""
    seen = list(netlink.links())
    names = {link.index: link.name for link in seen}
    asking = NetlinkSocket(NETLINK_ROUTE)
    try:
        found = look_at_ways(asking, [link.index for link in seen if link.kind == VXLAN])
    finally:
        asking.close()
    return tuple(sorted(_ways(found, names), key=lambda way: way.subnet))


def _link(seen: SeenLink, names: Mapping[int, str], addresses: Sequence[str]) -> Link:
    return Link(
        name=seen.name, kind=seen.kind, mac=seen.mac, mtu=seen.mtu, is_up=seen.is_up, state=seen.operstate,
        master=names.get(seen.master or 0, ""), addresses=tuple(addresses),
        owner=mark_of_alias(seen.alias) or "",
    )  # fmt: skip


def _tunnel(netlink: Netlink, name: str) -> Iterator[Tunnel]:
    try:
        seen = find_vxlan(netlink, name)
    except Busy:  # another link took the name since the dump
        return
    if seen is not None:
        yield Tunnel(link=name, mode="vxlan-gpe" if seen.is_external else VXLAN, vni=seen.vni, port=seen.port)


def _ways(seen: Seen, names: Mapping[int, str]) -> Iterator[Way]:
    """Follow each route to the address of the underlay at which its packets arrive."""
    entries = seen.entries.values()
    nexthops = {one.id: one for one in entries if isinstance(one, Nexthop)}
    macs = {(one.oif, one.address): one.mac for one in entries if isinstance(one, NeighbourEntry)}
    ends = {(one.oif, one.mac): one.dst for one in entries if isinstance(one, FdbEntry)}
    for one in entries:
        if isinstance(one, RouteEntry) and one.nexthop in nexthops:
            hop = nexthops[one.nexthop]
            mac = macs.get((hop.oif, hop.gateway), b"")
            via = hop.encap.dst if hop.encap else ends.get((hop.oif, mac), hop.gateway)
            yield _way(one.dst, one.length, names.get(hop.oif, ""), via)
    for route in seen.foreign:  # flannel's
        mac = macs.get((route.oif, route.gateway), b"")
        yield _way(route.dst, route.length, names.get(route.oif, ""), ends.get((route.oif, mac), b""))


def _way(dst: bytes, length: int, link: str, via: bytes) -> Way:
    return Way(subnet=f"{_text(dst)}/{length}", link=link, via=_text(via))


def _text(address: bytes) -> str:
    families = {4: socket.AF_INET, 16: socket.AF_INET6}
    return socket.inet_ntop(families[len(address)], address) if len(address) in families else ""
