"""ARP and neighbour discovery as Ethernet frames: who has an address is asked, and said. Pure.

RFC 826 and 5227 (ARP), RFC 4861 (neighbour discovery). Addresses are packed, MAC addresses 6 bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD  # linux/if_ether.h
BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
SOLICITED, OVERRIDE = 0x40, 0x20  # in an advertisement's first byte of flags

_ETHERNET = struct.Struct(">6s6sH")
_ARP = struct.Struct(">HHBBH6s4s6s4s")
_IPV6 = struct.Struct(">IHBB16s16s")
_HEAD = struct.Struct(">BBH4s16s")  # type, code, checksum, flags, target
_REQUEST, _REPLY = 1, 2
_LINK_OPTION = b"\2\1"  # target link-layer address, in units of eight bytes


class Question(NamedTuple):
    """Somebody asks who has an address. `sender` is all zeros where he looks whether it is free."""

    target: bytes
    sender: bytes
    mac: bytes


def announcement(address: bytes, mac: bytes) -> bytes:
    """Return the frame that tells everybody on the link who has an address now."""
    if len(address) == 4:
        return _arp(_REQUEST, mac, address, BROADCAST, bytes(6), address)  # RFC 5227, 3: as a request
    return _advertisement(address, mac, ALL_NODES, _multicast_mac(ALL_NODES), OVERRIDE)


def answer(question: Question, mac: bytes) -> bytes:
    """Return the frame that answers a question."""
    if len(question.target) == 4:
        return _arp(_REPLY, mac, question.target, question.mac, question.mac, question.sender)
    if not any(question.sender):  # he has no address yet: all are told (RFC 4861, 7.2.4)
        return announcement(question.target, mac)
    return _advertisement(question.target, mac, question.sender, question.mac, SOLICITED | OVERRIDE)


def read_question(frame: bytes) -> Question | None:
    """Return what a frame asks, None if it asks nothing that is sound."""
    if len(frame) < _ETHERNET.size:
        return None
    _, source, kind = _ETHERNET.unpack_from(frame)
    if kind == ETH_P_ARP and len(frame) >= _ETHERNET.size + _ARP.size:
        hardware, protocol, hardware_size, size, op, mac, sender, _, target = _ARP.unpack_from(
            frame, _ETHERNET.size
        )
        is_sound = (hardware, protocol, hardware_size, size) == (1, 0x0800, 6, 4)
        return Question(target, sender, mac) if is_sound and op == _REQUEST and sender != target else None
    return _read_solicitation(frame, source) if kind == ETH_P_IPV6 else None


def solicited_node(address: bytes) -> bytes:
    """Return the multicast group that questions for an IPv6 address go to (RFC 4291, 2.7.1)."""
    return bytes.fromhex("ff0200000000000000000001ff") + address[13:]


def _read_solicitation(frame: bytes, source: bytes) -> Question | None:
    start = _ETHERNET.size
    if len(frame) < start + _IPV6.size + _HEAD.size:
        return None
    _, length, following, hops, sender, to = _IPV6.unpack_from(frame, start)
    body = frame[start + _IPV6.size :][:length]
    if following != ICMPV6 or hops != 255 or len(body) < _HEAD.size:  # 255: from this link (RFC 4861, 7.1.1)
        return None
    kind, code, _, _, target = _HEAD.unpack_from(body)
    if (kind, code) != (SOLICITATION, 0) or _checksum(sender, to, body) != 0:
        return None
    return Question(target, sender, source)


def _arp(op: int, mac: bytes, address: bytes, to: bytes, target_mac: bytes, target: bytes) -> bytes:
    body = _ARP.pack(1, 0x0800, 6, 4, op, mac, address, target_mac, target)
    return (_ETHERNET.pack(to, mac, ETH_P_ARP) + body).ljust(60, b"\0")  # the least that Ethernet carries


def _advertisement(address: bytes, mac: bytes, to: bytes, to_mac: bytes, flags: int) -> bytes:
    def body(checksum: int) -> bytes:
        head = _HEAD.pack(ADVERTISEMENT, 0, checksum, bytes((flags, 0, 0, 0)), address)
        return head + _LINK_OPTION + mac

    said = body(_checksum(address, to, body(0)))
    header = _IPV6.pack(6 << 28, len(said), ICMPV6, 255, address, to)
    return _ETHERNET.pack(to_mac, mac, ETH_P_IPV6) + header + said


def _multicast_mac(group: bytes) -> bytes:
    return b"\x33\x33" + group[12:]


def _checksum(source: bytes, to: bytes, body: bytes) -> int:
    """Return the checksum over a pseudo header and a body; 0 where a right one is in it (RFC 8200, 8.1)."""
    text = source + to + struct.pack(">II", len(body), ICMPV6) + body + b"\0" * (len(body) & 1)
    total: int = sum(struct.unpack(f">{len(text) // 2}H", text))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
