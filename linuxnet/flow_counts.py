"""How many flows of the connection table go where: a look at all of it, counted as it is read.

ctnetlink (linux/netfilter/nfnetlink_conntrack.h) in the namespace of the calling thread.
"""

from __future__ import annotations

import socket
from collections import Counter
from typing import NamedTuple

from linuxnet.errors import KernelError
from linuxnet.netlink_socket import NETLINK_NETFILTER, NetlinkSocket, Refused
from linuxnet.netlink_wire import read_attributes

IPCTNL_MSG_CT_GET = (1 << 8) | 1  # NFNL_SUBSYS_CTNETLINK is 1
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY = 1, 2
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
NFGENMSG = 4  # bytes: family, version, resource
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Flow(NamedTuple):
    """Where flows were sent, and who answers; addresses packed."""

    protocol: int
    to: bytes
    port: int
    answered_by: bytes
    answering_port: int


def count_flows(family: int) -> Counter[Flow]:
    """Return how many flows there are of each kind, of family 4 or 6. Raises KernelError."""
    asked = NetlinkSocket(NETLINK_NETFILTER)
    try:
        bodies = asked.dump(IPCTNL_MSG_CT_GET, bytes((_FAMILIES[family], 0, 0, 0)))
    except Refused as error:
        raise KernelError(error.errno, "read the connection table", error.said) from error
    finally:
        asked.close()
    return Counter(flow for body in bodies if (flow := _read(body)) is not None)


def _read(body: bytes) -> Flow | None:
    """Return what an entry says; None where it has no ports, as of ICMP."""
    found = read_attributes(body, NFGENMSG)
    orig, reply = found.get(CTA_TUPLE_ORIG), found.get(CTA_TUPLE_REPLY)
    if orig is None or reply is None:
        return None
    _, to, protocol, _, port = _tuple(orig)
    answered_by, _, _, answering_port, _ = _tuple(reply)
    return Flow(protocol, to, port, answered_by, answering_port) if port else None


def _tuple(data: bytes) -> tuple[bytes, bytes, int, int, int]:
    """Return source, destination, protocol, source port, destination port of one direction."""
    parts = read_attributes(data, 0)
    ip = read_attributes(parts.get(CTA_TUPLE_IP, b""), 0)
    proto = read_attributes(parts.get(CTA_TUPLE_PROTO, b""), 0)
    return (
        ip.get(CTA_IP_V4_SRC) or ip.get(CTA_IP_V6_SRC, b""),
        ip.get(CTA_IP_V4_DST) or ip.get(CTA_IP_V6_DST, b""),
        proto.get(CTA_PROTO_NUM, b"\0")[0],
        int.from_bytes(proto.get(CTA_PROTO_SRC_PORT, b""), "big"),
        int.from_bytes(proto.get(CTA_PROTO_DST_PORT, b""), "big"),
    )
