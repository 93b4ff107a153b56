"""Forgetting flows: connection tracking entries that a new or vanished host port has made stale.

A UDP flow goes where its entry says, for as long as packets come, whatever the rules say by now. One
filtered ctnetlink message removes all that match (linux/netfilter/nfnetlink_conntrack.h, CTA_FILTER). A
kernel that does not know the filter takes the message for one entry's full address and finds none; a
message without any tuple would empty the whole table, so a filter that says nothing cannot be made.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass

from netaddr import IPAddress

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op

NETLINK_NETFILTER = 12  # linux/netlink.h
IPCTNL_MSG_CT_DELETE = (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK is 1
NLM_F_REQUEST_ACK = 1 | 4
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
NESTED = 0x8000  # NLA_F_NESTED

CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER = 1, 2, 25
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_SRC, CTA_IP_DST = {4: 1, 6: 3}, {4: 2, 6: 4}
CTA_PROTO_NUM, CTA_PROTO_DST_PORT = 1, 3
BY_SRC, BY_DST, BY_PROTOCOL, BY_DST_PORT = 1 << 0, 1 << 1, 1 << 3, 1 << 5  # CTA_FILTER_F_CTA_*


@dataclass(frozen=True)
class Flows:
    """Flows to a port: those sent to `to`, or those that `answered_by` answers. One of both is given."""

    protocol: str
    port: int
    to: IPAddress | None = None
    answered_by: IPAddress | None = None

    def __post_init__(self) -> None:
        assert (self.to is None) != (self.answered_by is None), "a filter needs exactly one address"

    def __str__(self) -> str:
        by = f"--orig-dst {self.to}" if self.to else f"--reply-src {self.answered_by}"
        return f"conntrack -D -p {self.protocol} --orig-port-dst {self.port} {by}"

    def encode(self) -> bytes:
        """Return the delete message."""
        address = self.to or self.answered_by
        assert address is not None
        number = _attribute(CTA_PROTO_NUM, bytes([PROTOCOLS[self.protocol]]))
        port = _attribute(CTA_PROTO_DST_PORT, struct.pack(">H", self.port))
        protocol = _attribute(CTA_TUPLE_PROTO | NESTED, number + port)
        family, packed = address.version, address.packed
        by_orig, by_reply = BY_PROTOCOL | BY_DST_PORT, 0
        if self.to is not None:
            ip = _attribute(CTA_TUPLE_IP | NESTED, _attribute(CTA_IP_DST[family], packed))
            tuples = _attribute(CTA_TUPLE_ORIG | NESTED, ip + protocol)
            by_orig |= BY_DST
        else:
            ip = _attribute(CTA_TUPLE_IP | NESTED, _attribute(CTA_IP_SRC[family], packed))
            reply = ip + _attribute(CTA_TUPLE_PROTO | NESTED, number)
            tuples = _attribute(CTA_TUPLE_ORIG | NESTED, protocol) + _attribute(
                CTA_TUPLE_REPLY | NESTED, reply
            )
            by_reply = BY_SRC | BY_PROTOCOL
        flags = _attribute(1, struct.pack("=I", by_orig)) + _attribute(2, struct.pack("=I", by_reply))
        body = struct.pack("=BBH", socket.AF_INET if family == 4 else socket.AF_INET6, 0, 0)
        body += tuples + _attribute(CTA_FILTER | NESTED, flags)
        return struct.pack("=IHHII", 16 + len(body), IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST_ACK, 1, 0) + body


@dataclass(frozen=True)
class ForgetFlows(Inverse):
    """Remove the entries of flows; there is nothing to take back."""

    flows: tuple[Flows, ...]

    def __str__(self) -> str:
        return "; ".join(str(one) for one in self.flows)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove what matches; nothing may."""
        for one in self.flows:
            forget(one)
        return None


def forget(flows: Flows) -> None:
    """Remove the entries of the calling thread's namespace that match. Raises KernelError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asked:
        asked.send(flows.encode())
        (number,) = struct.unpack_from("=i", asked.recv(1 << 16), 16)
    if -number not in (0, errno.ENOENT):
        raise KernelError(-number, str(flows))


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) & 3)
