"""Frames that an honest container does not send, and whether they arrive."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.clause import CannotJudge
from conformance.datapath.talking import PATIENCE
from conformance.world.namespaces import inside

EVERY_PROTOCOL, IPV4, ARP, IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD  # linux/if_ether.h
EXPERIMENT, OTHER_EXPERIMENT = 0x88B5, 0x88B6  # IEEE 802's for local experiments: nobody answers
OUTGOING = 4  # PACKET_OUTGOING (linux/if_packet.h)
BROADCAST = b"\xff" * 6
LEAST = 60  # bytes of a frame without its checksum


@dataclass(frozen=True)
class Wire:
    """A packet socket in the sender's namespace, and one in the receiver's."""

    send: socket.socket
    receive: socket.socket

    @classmethod
    def between(cls, sender: tuple[str, str], receiver: tuple[str, str]) -> Wire:
        """Open both: pairs of namespace and interface."""
        return cls(_packets(*sender), _packets(*receiver))

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.send.close()
        self.receive.close()

    def carries(self, frame: bytes, honest: bytes) -> bool:
        """Send a frame and then an honest one; tell whether the first came before the second.

        Raises:
            CannotJudge: the honest one did not come either.
        """
        for one in (frame, honest):
            self.send.send(one.ljust(LEAST, b"\0"))
        seen = False
        for data in self._arriving():
            seen = seen or data.startswith(frame)
            if data.startswith(honest):
                return seen
        raise CannotJudge("an honest frame did not arrive, so that nothing can be said of a dishonest one")

    def returns(self, frame: bytes) -> bool:
        """Send a frame; tell whether it arrives."""
        self.send.send(frame.ljust(LEAST, b"\0"))
        return any(data.startswith(frame) for data in self._arriving())

    def _arriving(self) -> Iterator[bytes]:
        """Return what arrives, and not what leaves, until nothing has come for long."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0 and select.select([self.receive], [], [], left)[0]:
            data, where = self.receive.recvfrom(1 << 16)
            if where[2] != OUTGOING:
                yield data


def _packets(netns: str, ifname: str) -> socket.socket:
    with inside(netns):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
        made.bind((ifname, EVERY_PROTOCOL))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return made


def mac_bytes(mac: str) -> bytes:
    """Return a MAC address as bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: bytes, kind: int, body: bytes, to: bytes = BROADCAST) -> bytes:
    """Return a frame."""
    return to + source + struct.pack("!H", kind) + body


def arp(mac: bytes, ip: bytes, asked: bytes) -> bytes:
    """Return an ARP request for an address (RFC 826)."""
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + mac + ip + bytes(6) + asked


def ipv4_udp(source: bytes, to: bytes) -> bytes:
    """Return a datagram of four bytes, with its header's checksum and without UDP's own."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, source, to)
    total = sum(struct.unpack("!10H", head))
    total = (total >> 16) + (total & 0xFFFF)
    summed = ~(total + (total >> 16)) & 0xFFFF
    return (
        head[:10] + struct.pack("!H", summed) + head[12:] + struct.pack("!HHHH", 4711, 4711, 12, 0) + b"lies"
    )


def ipv6_udp(source: bytes, to: bytes) -> bytes:
    """Return a datagram of four bytes to a group, its checksum made."""
    body = struct.pack(
        "!HHHH", 4711, 4711, 12, _sum6(source, to, 17, struct.pack("!HHHH", 4711, 4711, 12, 0) + b"lies")
    )
    return _header6(source, to, 17, body + b"lies")


def advertisement(source: bytes, to: bytes, target: bytes, mac: bytes) -> bytes:
    """Return a neighbour advertisement (RFC 4861 section 4.4) that says: this address is mine."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + target + b"\x02\x01" + mac
    summed = _sum6(source, to, 58, body)
    return _header6(source, to, 58, body[:2] + struct.pack("!H", summed) + body[4:])


def _header6(source: bytes, to: bytes, following: int, body: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), following, 255) + source + to + body


def _sum6(source: bytes, to: bytes, following: int, body: bytes) -> int:
    whole = source + to + struct.pack("!II", len(body), following) + body
    total: int = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF
