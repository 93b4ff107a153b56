"""What leads to other nodes, as values and as messages: nexthops, neighbours, FDB entries, routes. Pure.

There are thousands of each, all alike: so they are plain tuples whose addresses are bytes, read from a dump
and written to a message without anything in between. Two are the same object of the kernel if their
`key` is equal, and the same in every field we set if they are equal themselves.

A nexthop object (ip-nexthop(8), Linux 5.3) stands for a peer; its routes name it by number. Routes that each
bring their own way out of one link land in one bucket of the kernel's hash table and make 20,000 of them
quadratic (5.3 s); routes by nexthop do not.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from linuxnet.netlink_wire import NLM_F_CREATE, NLM_F_REPLACE, attribute, nested, read_attributes, u32
from linuxnet.numbers import OVERLAY_PROTOCOL
from linuxnet.rtnetlink import (
    AF_BRIDGE,
    NDA_DST,
    NDA_LLADDR,
    NDMSG,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_MAIN,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTAX_MTU,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTMSG,
)

RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106  # linux/rtnetlink.h
NHMSG = struct.Struct("=BBBBI")  # nhmsg: family, scope, protocol, reserved, flags (linux/nexthop.h)
NHA_ID, NHA_OIF, NHA_GATEWAY, NHA_ENCAP_TYPE, NHA_ENCAP = 1, 5, 6, 7, 8
RTNH_F_ONLINK = 4
LWTUNNEL_ENCAP_IP, LWTUNNEL_ENCAP_IP6 = 2, 4  # linux/lwtunnel.h
LWTUNNEL_ID, LWTUNNEL_DST, LWTUNNEL_SRC, LWTUNNEL_FLAGS = 1, 2, 3, 6
TUNNEL_CSUM, TUNNEL_DONT_FRAGMENT = 0x0001, 0x0100  # linux/if_tunnel.h; in network byte order
RTA_NH_ID, RTAX_LOCK, RTA_PROTOCOL_OF_NEIGHBOUR = 30, 1, 12
RTN_UNICAST, RTN_UNREACHABLE = 1, 7
NUD_PERMANENT, NTF_SELF = 0x80, 0x02  # linux/neighbour.h
_REPLACE = NLM_F_CREATE | NLM_F_REPLACE

Message = tuple[int, int, bytes]


class Encap(NamedTuple):
    """VXLAN's metadata on a nexthop: VNI and the outer addresses, `flags` TUNNEL_*."""

    vni: int
    dst: bytes
    src: bytes
    flags: int = TUNNEL_DONT_FRAGMENT


class Nexthop(NamedTuple):
    """A way out. `family` is the inner one's; `gateway` b"": the link's other end is all there is."""

    id: int
    family: int
    oif: int
    gateway: bytes = b""
    is_onlink: bool = False
    encap: Encap | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the kernel tells it by."""
        return ("nexthop", self.id)

    def add(self) -> Message:
        """Return the message that makes or replaces it."""
        flags = RTNH_F_ONLINK if self.is_onlink else 0
        body = NHMSG.pack(self.family, 0, OVERLAY_PROTOCOL, 0, flags) + u32(NHA_ID, self.id)
        body += u32(NHA_OIF, self.oif) + (attribute(NHA_GATEWAY, self.gateway) if self.gateway else b"")
        return RTM_NEWNEXTHOP, _REPLACE, body + (_encap(self.encap) if self.encap else b"")

    def remove(self) -> Message:
        """Return the message that removes it, and every route by it."""
        return RTM_DELNEXTHOP, 0, NHMSG.pack(0, 0, 0, 0, 0) + u32(NHA_ID, self.id)

    def __str__(self) -> str:
        via = f" via {_text(self.gateway)}" if self.gateway else ""
        encap = f" encap ip id {self.encap.vni} dst {_text(self.encap.dst)}" if self.encap else ""
        return f"ip nexthop replace id {self.id}{encap}{via} dev {self.oif}{' onlink' * self.is_onlink}"


class NeighbourEntry(NamedTuple):
    """A permanent neighbour."""

    oif: int
    address: bytes
    mac: bytes

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the kernel tells it by."""
        return ("neighbour", self.oif, self.address)

    def add(self) -> Message:
        """Return the message that makes or replaces it."""
        header = NDMSG.pack(_family(self.address), self.oif, NUD_PERMANENT, 0, 1)
        tag = attribute(RTA_PROTOCOL_OF_NEIGHBOUR, bytes([OVERLAY_PROTOCOL]))
        body = header + attribute(NDA_DST, self.address) + attribute(NDA_LLADDR, self.mac) + tag
        return RTM_NEWNEIGH, _REPLACE, body

    def remove(self) -> Message:
        """Return the message that removes it."""
        header = NDMSG.pack(_family(self.address), self.oif, 0, 0, 0)
        return RTM_DELNEIGH, 0, header + attribute(NDA_DST, self.address)

    def __str__(self) -> str:
        return (
            f"ip neigh replace {_text(self.address)} lladdr {self.mac.hex(':')} dev {self.oif} nud permanent"
        )


class FdbEntry(NamedTuple):
    """Behind which node a VTEP's MAC is. A MAC may have entries for several nodes; one is meant here."""

    oif: int
    mac: bytes
    dst: bytes

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the kernel tells it by: it keeps a list of nodes for each MAC."""
        return ("fdb", self.oif, self.mac)

    def add(self) -> Message:
        """Return the message that makes it the MAC's only one."""
        header = NDMSG.pack(AF_BRIDGE, self.oif, NUD_PERMANENT, NTF_SELF, 0)
        return RTM_NEWNEIGH, _REPLACE, header + attribute(NDA_LLADDR, self.mac) + attribute(NDA_DST, self.dst)

    def remove(self) -> Message:
        """Return the message that removes it."""
        header = NDMSG.pack(AF_BRIDGE, self.oif, 0, NTF_SELF, 0)
        return RTM_DELNEIGH, 0, header + attribute(NDA_LLADDR, self.mac) + attribute(NDA_DST, self.dst)

    def __str__(self) -> str:
        return f"bridge fdb replace {self.mac.hex(':')} dev {self.oif} dst {_text(self.dst)} self permanent"


class RouteEntry(NamedTuple):
    """A route by a nexthop, or (0) one that refuses. `mtu` in bytes, locked; 0: the link's."""

    family: int
    dst: bytes
    length: int
    nexthop: int
    mtu: int = 0
    prefsrc: bytes = b""
    priority: int = 0

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the kernel tells it by."""
        return ("route", self.family, self.dst, self.length, self.priority)

    def add(self) -> Message:
        """Return the message that makes or replaces it."""
        kind = RTN_UNICAST if self.nexthop else RTN_UNREACHABLE
        body = self._header(kind, RT_SCOPE_UNIVERSE)
        body += u32(RTA_NH_ID, self.nexthop) if self.nexthop else b""
        body += attribute(RTA_PREFSRC, self.prefsrc) if self.prefsrc else b""
        if self.mtu:
            body += nested(RTA_METRICS, u32(RTAX_LOCK, 1 << RTAX_MTU), u32(RTAX_MTU, self.mtu))
        elif self.nexthop:
            # Empty metrics, not none: without any the kernel takes what it has for another route by the same
            # nexthop, metrics and all (fib_find_info_nh), and a lock once set would never end.
            body += nested(RTA_METRICS)
        return RTM_NEWROUTE, _REPLACE, body

    def remove(self) -> Message:
        """Return the message that removes it, and no other program's of the same destination."""
        return RTM_DELROUTE, 0, self._header(0, RT_SCOPE_NOWHERE)

    def _header(self, kind: int, scope: int) -> bytes:
        header = RTMSG.pack(self.family, self.length, 0, 0, RT_TABLE_MAIN, OVERLAY_PROTOCOL, scope, kind, 0)
        priority = u32(RTA_PRIORITY, self.priority) if self.priority else b""
        return header + (attribute(RTA_DST, self.dst) if self.length else b"") + priority

    def __str__(self) -> str:
        way = f"nhid {self.nexthop}" if self.nexthop else ""
        mtu = f" mtu lock {self.mtu}" if self.mtu else ""
        kind = "" if self.nexthop else "unreachable "
        return f"ip route replace {kind}{_text(self.dst)}/{self.length} {way}{mtu}".rstrip()


class ForeignRoute(NamedTuple):
    """A route on a tunnel of ours that another program wrote there: the way flannel does, gateway and all."""

    family: int
    dst: bytes
    length: int
    priority: int
    gateway: bytes
    oif: int
    protocol: int

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the kernel tells it by: the same as for one of ours."""
        return ("route", self.family, self.dst, self.length, self.priority)

    def remove(self) -> Message:
        """Return the message that removes it and no other."""
        header = RTMSG.pack(
            self.family, self.length, 0, 0, RT_TABLE_MAIN, self.protocol, RT_SCOPE_NOWHERE, 0, 0
        )
        priority = u32(RTA_PRIORITY, self.priority) if self.priority else b""
        way = u32(RTA_OIF, self.oif) + (attribute(RTA_GATEWAY, self.gateway) if self.gateway else b"")
        return RTM_DELROUTE, 0, header + attribute(RTA_DST, self.dst) + priority + way

    def __str__(self) -> str:
        return f"ip route del {_text(self.dst)}/{self.length} via {_text(self.gateway)} dev {self.oif}"


Entry = Nexthop | NeighbourEntry | FdbEntry | RouteEntry


def _encap(encap: Encap) -> bytes:
    kind = LWTUNNEL_ENCAP_IP if len(encap.dst) == 4 else LWTUNNEL_ENCAP_IP6
    inner = [attribute(LWTUNNEL_ID, encap.vni.to_bytes(8, "big")), attribute(LWTUNNEL_DST, encap.dst)]
    if encap.src:
        inner.append(attribute(LWTUNNEL_SRC, encap.src))
    inner.append(attribute(LWTUNNEL_FLAGS, encap.flags.to_bytes(2, "big")))
    return attribute(NHA_ENCAP_TYPE, struct.pack("=H", kind)) + nested(NHA_ENCAP, *inner)


def read_encap(data: bytes) -> Encap:
    """Read a nexthop's metadata; flags that the kernel adds by itself are left out."""
    seen = read_attributes(data)
    flags = int.from_bytes(seen.get(LWTUNNEL_FLAGS, b"\0\0"), "big")
    return Encap(
        int.from_bytes(seen.get(LWTUNNEL_ID, b""), "big"),
        seen.get(LWTUNNEL_DST, b""),
        seen.get(LWTUNNEL_SRC, b""),
        flags & (TUNNEL_CSUM | TUNNEL_DONT_FRAGMENT),
    )


def _family(address: bytes) -> int:
    return socket.AF_INET if len(address) == 4 else socket.AF_INET6


def _text(address: bytes) -> str:
    return socket.inet_ntop(_family(address), address) if address else "default"
