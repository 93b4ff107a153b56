"""Forgetting flows: connection tracking entries that a new or vanished back end has made stale.

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
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
BY_SRC, BY_DST, BY_PROTOCOL = 1 << 0, 1 << 1, 1 << 3  # CTA_FILTER_F_CTA_*
BY_SRC_PORT, BY_DST_PORT = 1 << 4, 1 << 5


@dataclass(frozen=True)
class Flows:
    """Flows to a port: those sent to `to`, those that `answered_by` answers, or those that are both.

    `answering_port` is the port of `answered_by`, 0 for any. Flows that nobody has translated are answered
    by whom they were sent to.
    """

    protocol: str
    port: int
    to: IPAddress | None = None
    answered_by: IPAddress | None = None
    answering_port: int = 0

    def __post_init__(self) -> None:
        assert self.to is not None or self.answered_by is not None, "a filter needs an address"
        assert self.to is None or self.answered_by is None or self.to.version == self.answered_by.version

    def __str__(self) -> str:
        words = [f"conntrack -D -p {self.protocol} --orig-port-dst {self.port}"]
        words += [f"--orig-dst {self.to}"] if self.to is not None else []
        words += [f"--reply-src {self.answered_by}"] if self.answered_by is not None else []
        words += [f"--reply-port-src {self.answering_port}"] if self.answering_port else []
        return " ".join(words)

    def encode(self) -> bytes:
        """Return the delete message."""
        by_orig, by_reply = BY_PROTOCOL | BY_DST_PORT, 0
        ip = b""
        if self.to is not None:
            ip = _nested(CTA_TUPLE_IP, _attribute(CTA_IP_DST[self.to.version], self.to.packed))
            by_orig |= BY_DST
        tuples = _nested(CTA_TUPLE_ORIG, ip + self._protocol(CTA_PROTO_DST_PORT, self.port))
        if self.answered_by is not None:
            source = _attribute(CTA_IP_SRC[self.answered_by.version], self.answered_by.packed)
            protocol = self._protocol(CTA_PROTO_SRC_PORT, self.answering_port)
            tuples += _nested(CTA_TUPLE_REPLY, _nested(CTA_TUPLE_IP, source) + protocol)
            by_reply = BY_SRC | BY_PROTOCOL | (BY_SRC_PORT if self.answering_port else 0)
        flags = _attribute(1, struct.pack("=I", by_orig)) + _attribute(2, struct.pack("=I", by_reply))
        address = self.to or self.answered_by
        assert address is not None
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        body = struct.pack("=BBH", family, 0, 0) + tuples + _nested(CTA_FILTER, flags)
        return struct.pack("=IHHII", 16 + len(body), IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST_ACK, 1, 0) + body

    def _protocol(self, kind: int, port: int) -> bytes:
        number = _attribute(CTA_PROTO_NUM, bytes([PROTOCOLS[self.protocol]]))
        return _nested(CTA_TUPLE_PROTO, number + (_attribute(kind, struct.pack(">H", port)) if port else b""))


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


def _nested(kind: int, data: bytes) -> bytes:
    return _attribute(kind | NESTED, data)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) & 3)
