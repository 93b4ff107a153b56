"""rtnetlink's messages: what a change is in bytes, and what the bytes of an answer say. Pure.

Links, addresses, routes and neighbours, as far as attachments need them: each attribute is a line in a
table (rtnetlink(7), linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h). Shaping and bridge VLANs, which
are rare and have richer messages, go through pyroute2 (`pyroute.py`).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from linuxnet.netlink_wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    attribute,
    nested,
    text,
    u32,
)
from linuxnet.packed import packed

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
AF_BRIDGE = 7
IFF_UP = 0x1  # linux/if.h

IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
IFADDR = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
RTMSG = struct.Struct(
    "=BBBBBBBBI"
)  # family, lengths of dst and src, tos, table, protocol, scope, type, flags
NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_PROTINFO = 1, 3, 4, 5, 10, 12
IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_GROUP, IFLA_NET_NS_FD = 13, 16, 18, 20, 27, 28
IFLA_AF_SPEC, IFLA_INET_CONF = 26, 1
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
VETH_INFO_PEER = 1  # linux/veth.h
IFLA_BR_VLAN_FILTERING = 7
IFLA_BRPORT_STATE, IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 1, 4, 33
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD = 0x02  # linux/if_addr.h: usable at once, no wait for duplicate-address detection
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_TABLE, RTA_VIA = (
    1, 4, 5, 6, 7, 8, 15, 18,
)  # fmt: skip
RTAX_MTU, RTAX_ADVMSS = 2, 8
NDA_DST, NDA_LLADDR = 1, 2
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_NOWHERE = 0, 253, 255

Encode = Callable[[int, Any], bytes]
Fields = Mapping[str, Any]


def _mac(kind: int, value: str) -> bytes:
    return attribute(kind, bytes.fromhex(value.replace(":", "")))


def _address(kind: int, value: str) -> bytes:
    return attribute(kind, packed(value))


_LINK: dict[str, tuple[int, Encode]] = {
    "address": (IFLA_ADDRESS, _mac), "ifname": (IFLA_IFNAME, text), "mtu": (IFLA_MTU, u32),
    "link": (IFLA_LINK, u32), "master": (IFLA_MASTER, u32), "txqlen": (IFLA_TXQLEN, u32),
    "alias": (IFLA_IFALIAS, text), "group": (IFLA_GROUP, u32), "net_ns_fd": (IFLA_NET_NS_FD, u32),
}  # fmt: skip
_ADDRESS: dict[str, tuple[int, Encode]] = {
    "address": (IFA_ADDRESS, _address), "broadcast": (IFA_BROADCAST, _address), "flags": (IFA_FLAGS, u32),
}  # fmt: skip
_ROUTE: dict[str, tuple[int, Encode]] = {
    "oif": (RTA_OIF, u32), "priority": (RTA_PRIORITY, u32),
    "prefsrc": (RTA_PREFSRC, _address), "table": (RTA_TABLE, u32),
}  # fmt: skip
_METRICS = {"mtu": RTAX_MTU, "advmss": RTAX_ADVMSS}

_CREATE = NLM_F_CREATE | NLM_F_EXCL


def encode(what: str, command: str, fields: Fields) -> tuple[int, int, bytes]:
    """Return (type, flags, body) of a change: what is "link add", "addr del" and so on in iproute2."""
    kind, flags, body = _CHANGES[what, command]
    return kind, flags, body(fields)


def _table(table: Mapping[str, tuple[int, Encode]], fields: Fields) -> bytes:
    known = ((table[name], value) for name, value in fields.items() if name in table)
    return b"".join(encode_one(kind, value) for (kind, encode_one), value in known)


def link_body(fields: Fields) -> bytes:
    """Return a link's header and attributes. `state` "up" sets the flag; `peer` is a veth's other end."""
    is_up = IFF_UP if fields.get("state") == "up" else 0
    flags, change = fields.get("flags", 0) | is_up, fields.get("change", 0) | is_up
    header = IFINFO.pack(0, 0, fields.get("index", 0), flags, change)
    return header + _table(_LINK, fields) + _link_info(fields) + _settings(fields.get("ipv4_conf", {}))


def _settings(ipv4: Mapping[int, int]) -> bytes:
    """Return per-family settings (IFLA_AF_SPEC), numbered as IPV4_DEVCONF_* in linux/ip.h."""
    if not ipv4:
        return b""
    values = (u32(number, value) for number, value in ipv4.items())
    return nested(IFLA_AF_SPEC, nested(socket.AF_INET, nested(IFLA_INET_CONF, *values)))


def _link_info(fields: Fields) -> bytes:
    if "kind" not in fields:
        return b""
    data = b""
    if "peer" in fields:
        data = nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, link_body(fields["peer"])))
    elif "data" in fields:  # made by the room that knows the kind
        data = nested(IFLA_INFO_DATA, fields["data"])
    elif "br_vlan_filtering" in fields:
        data = nested(IFLA_INFO_DATA, attribute(IFLA_BR_VLAN_FILTERING, bytes([fields["br_vlan_filtering"]])))
    return nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, fields["kind"]), data)


def _port_body(fields: Fields) -> bytes:
    names = {"mode": IFLA_BRPORT_MODE, "isolated": IFLA_BRPORT_ISOLATED}
    flags = (attribute(kind, bytes([fields[name]])) for name, kind in names.items() if name in fields)
    return IFINFO.pack(AF_BRIDGE, 0, fields["index"], 0, 0) + nested(IFLA_PROTINFO, *flags)


def _address_body(fields: Fields) -> bytes:
    address = fields["address"]
    header = IFADDR.pack(_family(address), fields["prefixlen"], 0, 0, fields["index"])
    return header + attribute(IFA_LOCAL, packed(address)) + _table(_ADDRESS, fields)


def _route_body(fields: Fields) -> bytes:
    destination, _, length = fields["dst"].partition("/")
    table = fields.get("table") or RT_TABLE_MAIN
    scope = fields.get("scope")
    if scope is None:  # as ip-route(8): what has no gateway is on the link
        scope = RT_SCOPE_UNIVERSE if fields.get("gateway") or ":" in destination else RT_SCOPE_LINK
    header = RTMSG.pack(
        fields["family"], int(length), 0, 0, table if table < 256 else 0, RTPROT_STATIC, scope, RTN_UNICAST, 0
    )
    metrics = [u32(_METRICS[name], value) for name, value in fields.get("metrics", {}).items()]
    return b"".join((
        header,
        _address(RTA_DST, destination) if int(length) else b"",
        _gateway(fields["family"], fields.get("gateway")),
        _table(_ROUTE, fields),
        nested(RTA_METRICS, *metrics) if metrics else b"",
    ))  # fmt: skip


def _gateway(family: int, gateway: str | None) -> bytes:
    """Return the next hop's address; one of the other family has an attribute of its own (RFC 5549)."""
    if gateway is None:
        return b""
    if _family(gateway) == family:
        return _address(RTA_GATEWAY, gateway)
    return attribute(RTA_VIA, struct.pack("=H", _family(gateway)) + packed(gateway))


def _route_removal(fields: Fields) -> bytes:
    """Return the body that finds a route: any scope will do."""
    return _route_body({"scope": RT_SCOPE_NOWHERE} | dict(fields))


def _neighbour_body(fields: Fields) -> bytes:
    header = NDMSG.pack(_family(fields["dst"]), fields["ifindex"], fields.get("state", 0), 0, 0)
    mac = _mac(NDA_LLADDR, fields["lladdr"]) if "lladdr" in fields else b""
    return header + _address(NDA_DST, fields["dst"]) + mac


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


_CHANGES: dict[tuple[str, str], tuple[int, int, Callable[[Fields], bytes]]] = {
    ("link", "add"): (RTM_NEWLINK, _CREATE, link_body),
    ("link", "set"): (RTM_NEWLINK, 0, link_body),
    ("link", "del"): (RTM_DELLINK, 0, link_body),
    ("brport", "set"): (19, 0, _port_body),  # RTM_SETLINK
    ("addr", "add"): (RTM_NEWADDR, _CREATE, _address_body),
    ("addr", "del"): (RTM_DELADDR, 0, _address_body),
    ("route", "add"): (RTM_NEWROUTE, _CREATE, _route_body),
    ("route", "del"): (RTM_DELROUTE, 0, _route_removal),
    ("neigh", "replace"): (RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, _neighbour_body),
    ("neigh", "del"): (RTM_DELNEIGH, 0, _neighbour_body),
}
