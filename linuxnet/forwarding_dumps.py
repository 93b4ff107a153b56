"""What leads to other nodes, as the kernel has it now: one dump of each kind, read into the same tuples.

Routes and nexthops of ours carry our protocol. What stands on a tunnel of ours is ours as well: FDB entries
can carry no mark, and a network that was flannel's is taken over with what flannel wrote there.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from linuxnet.errors import KernelError
from linuxnet.forwarding_entries import (
    NHA_ENCAP,
    NHA_GATEWAY,
    NHA_ID,
    NHA_OIF,
    NHMSG,
    NTF_SELF,
    NUD_PERMANENT,
    RTA_NH_ID,
    RTM_GETNEXTHOP,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
    Entry,
    FdbEntry,
    ForeignRoute,
    NeighbourEntry,
    Nexthop,
    RouteEntry,
    read_encap,
)
from linuxnet.netlink_socket import NetlinkSocket, Refused
from linuxnet.netlink_wire import read_attributes, read_u32, u32
from linuxnet.numbers import OVERLAY_PROTOCOL
from linuxnet.rtnetlink import (
    AF_BRIDGE,
    NDA_DST,
    NDA_LLADDR,
    NDMSG,
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTAX_MTU,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTMSG,
)

NDA_IFINDEX, NDA_MASTER = 8, 9
RTPROT_KERNEL = 2
_U32 = struct.Struct("=I")


@dataclass
class Seen:
    """What the kernel has: entries of ours by their keys, and others' routes on our tunnels.

    `doubles`: FDB entries beside the first of their MAC; a MAC of ours has one.
    """

    entries: dict[tuple[object, ...], Entry] = field(default_factory=dict)
    foreign: list[ForeignRoute] = field(default_factory=list)
    doubles: list[FdbEntry] = field(default_factory=list)


def look(netlink: NetlinkSocket, tunnels: Collection[int]) -> Seen:
    """Dump everything that is ours; `tunnels` are the indexes of our own devices.

    Raises:
        KernelError: a dump was refused.
    """
    seen = Seen()
    for one in _nexthops(netlink):
        seen.entries[one.key] = one
    for index in tunnels:
        for entry in _neighbours(netlink, index):
            seen.entries[entry.key] = entry
        for fdb in _fdb(netlink, index):
            if fdb.key in seen.entries:
                seen.doubles.append(fdb)
            else:
                seen.entries[fdb.key] = fdb
    for route in _routes(netlink, tunnels):
        if isinstance(route, ForeignRoute):
            seen.foreign.append(route)
        else:
            seen.entries[route.key] = route
    return seen


def _nexthops(netlink: NetlinkSocket) -> Iterator[Nexthop]:
    for body in _dump(netlink, RTM_GETNEXTHOP, NHMSG.pack(0, 0, 0, 0, 0)):
        family, _, protocol, _, flags = NHMSG.unpack_from(body)
        if protocol != OVERLAY_PROTOCOL:
            continue
        at = read_attributes(body, NHMSG.size)
        yield Nexthop(
            read_u32(at[NHA_ID]),
            family,
            read_u32(at[NHA_OIF]) if NHA_OIF in at else 0,
            at.get(NHA_GATEWAY, b""),
            bool(flags & RTNH_F_ONLINK),
            read_encap(at[NHA_ENCAP]) if NHA_ENCAP in at else None,
        )


def _neighbours(netlink: NetlinkSocket, index: int) -> Iterator[NeighbourEntry]:
    for body in _dump(netlink, RTM_GETNEIGH, NDMSG.pack(0, 0, 0, 0, 0) + u32(NDA_IFINDEX, index)):
        _, oif, state, _, _ = NDMSG.unpack_from(body)
        if oif == index and state & NUD_PERMANENT:
            at = read_attributes(body, NDMSG.size)
            yield NeighbourEntry(index, at[NDA_DST], at.get(NDA_LLADDR, b""))


def _fdb(netlink: NetlinkSocket, index: int) -> Iterator[FdbEntry]:
    header = NDMSG.pack(AF_BRIDGE, 0, 0, 0, 0) + u32(NDA_IFINDEX, index)
    for body in _dump(netlink, RTM_GETNEIGH, header):
        _, oif, _, flags, _ = NDMSG.unpack_from(body)
        if oif == index and flags & NTF_SELF:
            at = read_attributes(body, NDMSG.size)
            if NDA_DST in at and NDA_LLADDR in at:
                yield FdbEntry(index, at[NDA_LLADDR], at[NDA_DST])


def _routes(netlink: NetlinkSocket, tunnels: Collection[int]) -> Iterator[RouteEntry | ForeignRoute]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in _dump(netlink, RTM_GETROUTE, RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            header = RTMSG.unpack_from(body)
            if header[4] == RT_TABLE_MAIN and header[5] != RTPROT_KERNEL and not header[8] & 0x200:  # cloned
                yield from _route(body, header, tunnels)


def _route(
    body: bytes, header: tuple[int, ...], tunnels: Collection[int]
) -> Iterable[RouteEntry | ForeignRoute]:
    family, length, protocol, kind = header[0], header[1], header[5], header[7]
    at = read_attributes(body, RTMSG.size)
    dst = at.get(RTA_DST, bytes(4 if family == socket.AF_INET else 16))
    priority = _U32.unpack(at[RTA_PRIORITY])[0] if RTA_PRIORITY in at else 0
    oif = _U32.unpack(at[RTA_OIF])[0] if RTA_OIF in at else 0
    if protocol == OVERLAY_PROTOCOL and kind in (RTN_UNICAST, RTN_UNREACHABLE):
        nexthop = _U32.unpack(at[RTA_NH_ID])[0] if RTA_NH_ID in at else 0
        mtu = _mtu(at[RTA_METRICS]) if RTA_METRICS in at else 0
        yield RouteEntry(family, dst, length, nexthop, mtu, at.get(RTA_PREFSRC, b""), priority)
    elif oif in tunnels and RTA_GATEWAY in at and at[RTA_GATEWAY] == dst:  # flannel's: via the subnet itself
        yield ForeignRoute(family, dst, length, priority, at[RTA_GATEWAY], oif, protocol)


def _mtu(metrics: bytes) -> int:
    found = read_attributes(metrics)
    return read_u32(found[RTAX_MTU]) if RTAX_MTU in found else 0


def _dump(netlink: NetlinkSocket, kind: int, body: bytes) -> list[bytes]:
    try:
        return netlink.dump(kind, body)
    except Refused as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):  # the tunnel has gone; no IPv6; no nexthops
            return []
        raise KernelError(error.errno, "read what leads to other nodes", error.said) from error
