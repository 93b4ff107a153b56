"""Forgetting flows: connection tracking entries that a new or vanished back end has made stale.

A UDP flow goes where its entry says, for as long as packets come, whatever the rules say by now. One
filtered ctnetlink message removes all that match (linux/netfilter/nfnetlink_conntrack.h, CTA_FILTER). A
kernel that does not know the filter takes the message for one entry's full address and finds none; a
message without any tuple would empty the whole table, so a filter that says nothing cannot be made.

Of IPv6 addresses the kernel (6.18 and before) removes all but those that the filter names: what
ctnetlink_filter_match_tuple() asks of ipv6_addr_cmp() is the wrong way round. So there the filter says
ports only, and what it finds is looked at here and removed one by one.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass

from netaddr import IPAddress

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.netlink_socket import NETLINK_NETFILTER, NetlinkSocket, Refused
from linuxnet.netlink_wire import read_attributes
from linuxnet.op import Inverse, Op

IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = (1 << 8) | 1, (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK is 1
NLM_F_REQUEST_ACK = 1 | 4
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
NESTED = 0x8000  # NLA_F_NESTED

CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE, CTA_FILTER = 1, 2, 12, 18, 25
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

    @property
    def family(self) -> int:
        """Return 4 or 6."""
        address = self.to or self.answered_by
        assert address is not None
        return int(address.version)

    def encode(self) -> bytes:
        """Return the delete message."""
        body = self.body()
        return struct.pack("=IHHII", 16 + len(body), IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST_ACK, 1, 0) + body

    def body(self) -> bytes:
        """Return the filter; of IPv6 without addresses."""
        by_orig, by_reply = BY_PROTOCOL | BY_DST_PORT, 0
        is_by_address = self.family == 4
        ip = b""
        if self.to is not None and is_by_address:
            ip = _nested(CTA_TUPLE_IP, _attribute(CTA_IP_DST[4], self.to.packed))
            by_orig |= BY_DST
        tuples = _nested(CTA_TUPLE_ORIG, ip + self._protocol(CTA_PROTO_DST_PORT, self.port))
        if self.answered_by is not None:
            source = _nested(CTA_TUPLE_IP, _attribute(CTA_IP_SRC[4], self.answered_by.packed))
            protocol = self._protocol(CTA_PROTO_SRC_PORT, self.answering_port)
            tuples += _nested(CTA_TUPLE_REPLY, (source if is_by_address else b"") + protocol)
            by_reply = BY_PROTOCOL | (BY_SRC if is_by_address else 0)
            by_reply |= BY_SRC_PORT if self.answering_port else 0
        flags = _attribute(1, struct.pack("=I", by_orig)) + _attribute(2, struct.pack("=I", by_reply))
        return _head(self.family) + tuples + _nested(CTA_FILTER, flags)

    def matches(self, original: bytes, reply: bytes) -> bool:
        """Tell whether an entry with these tuples is one of them, as far as addresses say."""
        to = _address(original, CTA_IP_DST[self.family])
        source = _address(reply, CTA_IP_SRC[self.family])
        return (self.to is None or self.to.packed == to) and (
            self.answered_by is None or self.answered_by.packed == source
        )

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
    if flows.family == 6:
        _forget_one_by_one(flows)
        return
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asked:
        asked.send(flows.encode())
        (number,) = struct.unpack_from("=i", asked.recv(1 << 16), 16)
    if -number not in (0, errno.ENOENT):
        raise KernelError(-number, str(flows))


def _forget_one_by_one(flows: Flows) -> None:
    asked = NetlinkSocket(NETLINK_NETFILTER)
    try:
        for body in asked.dump(IPCTNL_MSG_CT_GET, flows.body()):
            found = read_attributes(body, len(_head(6)))
            original = found[CTA_TUPLE_ORIG]
            if not flows.matches(original, found[CTA_TUPLE_REPLY]):
                continue
            named = _nested(CTA_TUPLE_ORIG, original) + _attribute(CTA_ID, found[CTA_ID])
            named += _attribute(CTA_ZONE, found[CTA_ZONE]) if CTA_ZONE in found else b""
            try:
                asked.change(IPCTNL_MSG_CT_DELETE, 0, _head(6) + named)
            except Refused as error:
                if error.errno != errno.ENOENT:  # but: it has ended by itself
                    raise
    except Refused as error:
        raise KernelError(error.errno, str(flows), error.said) from error
    finally:
        asked.close()


def _head(family: int) -> bytes:
    """Return an nfgenmsg."""
    return struct.pack("=BBH", socket.AF_INET if family == 4 else socket.AF_INET6, 0, 0)


def _address(tuple_: bytes, kind: int) -> bytes:
    return read_attributes(read_attributes(tuple_).get(CTA_TUPLE_IP, b"")).get(kind, b"")


def _nested(kind: int, data: bytes) -> bytes:
    return _attribute(kind | NESTED, data)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) & 3)
