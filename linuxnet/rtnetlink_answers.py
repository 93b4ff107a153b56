"""What rtnetlink's answers say: links, addresses, routes, neighbours, from bytes. Pure."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linuxnet.netlink_wire import read_attributes, read_text, read_u32
from linuxnet.packed import text_of
from linuxnet.rtnetlink import (
    IFADDR,
    IFF_UP,
    IFINFO,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_BRPORT_ISOLATED,
    IFLA_BRPORT_MODE,
    IFLA_BRPORT_STATE,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INET_CONF,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND,
    IFLA_LINK,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_OPERSTATE,
    IFLA_TXQLEN,
    NDA_DST,
    NDA_LLADDR,
    NDMSG,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTA_VIA,
    RTAX_ADVMSS,
    RTAX_MTU,
    RTMSG,
)

OPERSTATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")  # linux/if.h
_EMPTY: Mapping[int, bytes] = {}
_U32_0 = b"\0\0\0\0"


@dataclass(frozen=True)
class Port:
    """A bridge port's state (BR_STATE_*, linux/if_bridge.h) and flags."""

    state: int
    hairpin: bool
    isolated: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the kernel shows it. `mtu` in bytes; `master` and `peer` are interface indexes or None.

    `peer` is IFLA_LINK: a veth's other end, an index in the namespace it lives in. `port` is None unless
    the link is a bridge's port.
    """

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    flags: int
    txqlen: int
    alias: str
    group: int
    operstate: str
    master: int | None
    peer: int | None
    port: Port | None

    @property
    def is_up(self) -> bool:
        """Tell whether it is administratively up."""
        return bool(self.flags & IFF_UP)


def read_link(body: bytes) -> Link:
    """Return the link of an RTM_NEWLINK message."""
    _, _, index, flags, _ = IFINFO.unpack_from(body)
    seen = read_attributes(body, IFINFO.size)
    info = read_attributes(seen[IFLA_LINKINFO]) if IFLA_LINKINFO in seen else _EMPTY
    return Link(
        index=index,
        name=read_text(seen[IFLA_IFNAME]),
        kind=read_text(info.get(IFLA_INFO_KIND, b"")),
        mac=seen.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=read_u32(seen[IFLA_MTU]),
        flags=flags,
        txqlen=read_u32(seen.get(IFLA_TXQLEN, _U32_0)),
        alias=read_text(seen.get(IFLA_IFALIAS, b"")),
        group=read_u32(seen.get(IFLA_GROUP, _U32_0)),
        operstate=OPERSTATES[seen[IFLA_OPERSTATE][0]] if IFLA_OPERSTATE in seen else "",
        master=_number(seen.get(IFLA_MASTER)),
        peer=_number(seen.get(IFLA_LINK)),
        port=_read_port(info),
    )


def _read_port(info: Mapping[int, bytes]) -> Port | None:
    if read_text(info.get(IFLA_INFO_SLAVE_KIND, b"")) != "bridge" or IFLA_INFO_SLAVE_DATA not in info:
        return None
    seen = read_attributes(info[IFLA_INFO_SLAVE_DATA])
    state, hairpin, isolated = (
        seen.get(kind, b"\0")[0] for kind in (IFLA_BRPORT_STATE, IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED)
    )
    return Port(state, bool(hairpin), bool(isolated))


def read_ipv4_conf(body: bytes) -> tuple[int, ...]:
    """Return a link's IPv4 settings: number n of linux/ip.h's IPV4_DEVCONF_* is at n - 1."""
    families = read_attributes(read_attributes(body, IFINFO.size).get(IFLA_AF_SPEC, b""))
    values = read_attributes(families.get(socket.AF_INET, b"")).get(IFLA_INET_CONF, b"")
    return struct.unpack(f"={len(values) // 4}I", values)


def read_address(body: bytes) -> dict[str, Any]:
    """Return `address`, `local`, `prefixlen`, `flags`, `scope`, `index` of an RTM_NEWADDR message."""
    family, prefixlen, flags, scope, index = IFADDR.unpack_from(body)
    seen = read_attributes(body, IFADDR.size)
    found = {"prefixlen": prefixlen, "flags": flags, "scope": scope, "index": index}
    if IFA_FLAGS in seen:  # all 32 bits of them; the header holds eight
        found["flags"] = read_u32(seen[IFA_FLAGS])
    named = {name: text_of(seen[kind]) for kind, name in _ADDRESS_NAMES.items() if kind in seen}
    return found | named | {"family": family}


IFA_FLAGS = 8
_ADDRESS_NAMES = {1: "address", 2: "local", 4: "broadcast"}  # IFA_* (linux/if_addr.h)


def read_route(body: bytes) -> dict[str, Any]:
    """Return a route: `dst` (absent: default), `dst_len`, `gateway`, `oif`, `table`, `metrics` and more.

    `metrics` holds `mtu` and `advmss` in bytes, as far as they are set; `via` is a gateway of the other
    family.
    """
    family, dst_len, _, _, table, proto, scope, kind, flags = RTMSG.unpack_from(body)
    seen = read_attributes(body, RTMSG.size)
    found: dict[str, Any] = {
        "family": family, "dst_len": dst_len, "table": table, "proto": proto, "scope": scope, "type": kind,
        "flags": flags,
    }  # fmt: skip
    found |= {name: text_of(seen[kind]) for kind, name in _ROUTE_ADDRESSES.items() if kind in seen}
    found |= {name: read_u32(seen[kind]) for kind, name in _ROUTE_NUMBERS.items() if kind in seen}
    if RTA_VIA in seen:
        found["via"] = text_of(seen[RTA_VIA][2:])
    metrics = read_attributes(seen[RTA_METRICS]) if RTA_METRICS in seen else _EMPTY
    names = {RTAX_MTU: "mtu", RTAX_ADVMSS: "advmss"}
    found["metrics"] = {name: read_u32(metrics[kind]) for kind, name in names.items() if kind in metrics}
    return found


_ROUTE_ADDRESSES = {RTA_DST: "dst", RTA_GATEWAY: "gateway", RTA_PREFSRC: "prefsrc"}
_ROUTE_NUMBERS = {RTA_OIF: "oif", RTA_PRIORITY: "priority", RTA_TABLE: "table"}


def read_neighbour(body: bytes) -> dict[str, Any]:
    """Return `dst`, `lladdr`, `state`, `index` of an RTM_NEWNEIGH message."""
    _, index, state, _, _ = NDMSG.unpack_from(body)
    seen = read_attributes(body, NDMSG.size)
    found: dict[str, Any] = {"index": index, "state": state}
    if NDA_DST in seen:
        found["dst"] = text_of(seen[NDA_DST])
    if NDA_LLADDR in seen:
        found["lladdr"] = seen[NDA_LLADDR].hex(":")
    return found


def read_index(body: bytes) -> int:
    """Return the interface index of an RTM_NEWLINK message."""
    return int(struct.unpack_from("=i", body, 4)[0])


def _number(data: bytes | None) -> int | None:
    return None if data is None else read_u32(data)
