"""A node's record -> the kernel's entries that lead there. Pure, and O(1) for each node.

The receiver decides: the first mode that it offers and this node has a tunnel for. Per node and inner
family there is one nexthop, and a route for each subnet. Switching is one message: the nexthop is replaced,
and its routes with it.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from linuxnet.forwarding_entries import (
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    Encap,
    Entry,
    FdbEntry,
    NeighbourEntry,
    Nexthop,
    RouteEntry,
)
from linuxnet.numbers import BLACKHOLE_PRIORITY, NEXTHOP_BASE, NEXTHOP_BITS
from overlay.mtu import inner_mtu
from overlay.place import UNKNOWN, Path, Place, Tunnel
from overlay.record import Mode, NodeRecord, Offer
from overlay.subnet import FAMILY, Subnet, parse_address

IPV6_METRIC = 1024  # of a route; what the kernel chooses itself, and flannel's routes have


@dataclass(frozen=True)
class Way:
    """How an inner family reaches a node; `tunnel` None: plain routes over `index`. `mtu` in bytes inside."""

    mode: Mode
    outer: int
    index: int
    mtu: int
    tunnel: Tunnel | None = None
    offer: Offer | None = None


class NexthopNumbers:
    """Which nexthop a subnet goes by: what the kernel's routes say, else a number made of the subnet."""

    def __init__(self) -> None:
        self._numbers: dict[Subnet, int] = {}
        self._used: dict[int, Subnet] = {}

    def learn(self, entries: Mapping[tuple[object, ...], Entry]) -> None:
        """Take the numbers that routes of ours have, so that a new agent goes on with an old one's."""
        for entry in entries.values():
            if isinstance(entry, RouteEntry) and self._is_free(entry.nexthop):
                version = 4 if entry.family == socket.AF_INET else 6
                self._take(Subnet(version, int.from_bytes(entry.dst, "big"), entry.length), entry.nexthop)

    def of(self, subnet: Subnet) -> int:
        """Return a subnet's number."""
        number = self._numbers.get(subnet)
        if number is not None:
            return number
        start = zlib.crc32(str(subnet).encode())
        mask = (1 << NEXTHOP_BITS) - 1
        number = next(n for i in range(mask) if (n := NEXTHOP_BASE + (start + i & mask)) not in self._used)
        return self._take(subnet, number)

    def forget(self, subnet: Subnet) -> None:
        """Give a number back."""
        number = self._numbers.pop(subnet, None)
        if number is not None:
            self._used.pop(number, None)

    def _is_free(self, number: int) -> bool:
        """Tell whether a number is ours to give: another program's nexthop must not be written over."""
        return number >> NEXTHOP_BITS == NEXTHOP_BASE >> NEXTHOP_BITS and number not in self._used

    def _take(self, subnet: Subnet, number: int) -> int:
        if subnet not in self._numbers:
            self._numbers[subnet], self._used[number] = number, subnet
        return self._numbers[subnet]


def way_to(place: Place, record: NodeRecord, version: int, path: Path = UNKNOWN) -> Way | None:
    """Choose the way for an inner family (4 or 6); None if there is none in common."""
    if _is_direct(place, record, version, path):
        uplink = place.uplinks[version]
        limit = min(uplink.mtu, record.mtu or uplink.mtu)
        return Way(Mode.DIRECT, version, uplink.index, limit)
    for offer in record.offers:
        for outer in (version, 10 - version):
            tunnel = place.tunnel(offer, outer)
            if tunnel is not None and _is_reachable(record, offer, outer):
                return Way(offer.mode, outer, tunnel.index, _limit(tunnel, record, path), tunnel, offer)
    return None


def entries_of(
    place: Place,
    record: NodeRecord,
    numbers: NexthopNumbers,
    path_by: Callable[[int], Path] = lambda version: UNKNOWN,
) -> tuple[Entry, ...]:
    """Return what leads to a node, in the order it must be made; () if nothing can.

    `path_by` tells what is known of the path of an inner family (4 or 6).
    """
    return tuple(
        entry
        for subnet in record.subnets
        for entry in _subnet_entries(place, record, subnet, numbers, path_by(subnet.version))
    )


def own_entries(place: Place) -> tuple[Entry, ...]:
    """Return what keeps packets for absent subnets from leaving by the default route."""
    if not place.has_blackhole:
        return ()
    return tuple(
        RouteEntry(FAMILY[one.version], one.packed, one.length, 0, priority=BLACKHOLE_PRIORITY)
        for one in place.networks
    )


def _subnet_entries(
    place: Place, record: NodeRecord, subnet: Subnet, numbers: NexthopNumbers, path: Path
) -> Iterator[Entry]:
    way = way_to(place, record, subnet.version, path)
    if way is None:
        return
    family, number, gateway = FAMILY[subnet.version], numbers.of(subnet), subnet.packed
    public = pack(record.public6 if way.outer == 6 else record.public4)
    if way.mode is Mode.DIRECT:
        yield Nexthop(number, family, way.index, public)
    elif way.mode is Mode.GPE and way.tunnel is not None:
        flags = TUNNEL_DONT_FRAGMENT | (TUNNEL_CSUM if way.outer == 6 else 0)
        source = pack(place.public(way.outer))
        yield Nexthop(number, family, way.index, encap=Encap(way.tunnel.vni, public, source, flags))
    elif way.offer is not None:
        mac = bytes.fromhex((way.offer.mac6 if way.outer == 6 else way.offer.mac4).replace(":", ""))
        yield Nexthop(number, family, way.index, gateway, is_onlink=True)
        yield NeighbourEntry(way.index, gateway, mac)
        yield FdbEntry(way.index, mac, public)
    lock = way.mtu if way.mtu < (way.tunnel.mtu if way.tunnel else place.uplinks[way.outer].mtu) else 0
    metric = IPV6_METRIC if subnet.version == 6 else 0
    yield RouteEntry(family, gateway, subnet.length, number, lock, priority=metric)


def pack(address: str) -> bytes:
    """Return an address as bytes, b"" for none."""
    if not address:
        return b""
    version, number = parse_address(address)
    return number.to_bytes(4 if version == 4 else 16, "big")


def _is_direct(place: Place, record: NodeRecord, version: int, path: Path) -> bool:
    """Tell whether plain routes will do: the node offers nothing else, or both ends want and it works.

    flanneld answers no trial of ours: for its nodes the look at the routing table must do, as for itself.
    """
    public = record.public6 if version == 6 else record.public4
    if not public or version not in place.uplinks:
        return False
    if record.offers and all(one.mode is Mode.DIRECT for one in record.offers):
        return True
    is_proven = path.is_verified or record.wire_version == 0
    return place.is_direct and path.is_on_link and is_proven


def _is_reachable(record: NodeRecord, offer: Offer, outer: int) -> bool:
    public = record.public6 if outer == 6 else record.public4
    mac = offer.mac6 if outer == 6 else offer.mac4
    return bool(public) and (offer.mode is not Mode.VXLAN or bool(mac))


def _limit(tunnel: Tunnel, record: NodeRecord, path: Path) -> int:
    """Return the largest packet that gets through: by our device, by what the peer says, by what was seen."""
    told = inner_mtu(record.mtu, tunnel.mode, tunnel.outer) if record.mtu else tunnel.mtu
    return min(tunnel.mtu, told, path.mtu or tunnel.mtu)
