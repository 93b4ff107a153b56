"""Sockets that hear who asks for an address on a link, and answer (packet(7)).

The kernel answers for its own addresses alone, and an address of a load balancer is on no link: it is
translated before it is looked for. So its questions are heard beside the kernel's stack.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from linuxnet.neighbour_frames import ETH_P_ARP, ETH_P_IPV6, ICMPV6, SOLICITATION, solicited_node

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_INSTRUCTION = struct.Struct("=HBBI")  # sock_filter, linux/filter.h
_LOAD_BYTE, _IF_EQUAL, _RETURN = 0x30, 0x15, 0x06  # BPF_LD|B|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NEXT_HEADER, _ICMP_TYPE = 14 + 6, 14 + 40  # bytes from the frame's begin
_SOLICITATIONS = (  # all other IPv6 packets of the link are none of this process's business
    (_LOAD_BYTE, 0, 0, _NEXT_HEADER), (_IF_EQUAL, 0, 3, ICMPV6),
    (_LOAD_BYTE, 0, 0, _ICMP_TYPE), (_IF_EQUAL, 0, 1, SOLICITATION),
    (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0),
)  # fmt: skip


def hear_questions(ifname: str, family: int) -> socket.socket:
    """Return a socket that gets the ARP packets or the neighbour solicitations that come in on a link.

    Raises:
        OSError: there is no such link, or this process may not (CAP_NET_RAW).
    """
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        if family == 6:
            code = b"".join(_INSTRUCTION.pack(*one) for one in _SOLICITATIONS)
            buffer = ctypes.create_string_buffer(code, len(code))
            program = struct.pack("HP", len(_SOLICITATIONS), ctypes.addressof(buffer))  # sock_fprog
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        sock.bind((ifname, ETH_P_ARP if family == 4 else ETH_P_IPV6))  # hears from now on
    except OSError:
        sock.close()
        raise
    return sock


def join_solicited(ifindex: int, address: bytes) -> socket.socket:
    """Have the questions for an IPv6 address come to a link, as long as the socket that is returned is open.

    The kernel tells the card's filter and, by MLD, the switches. Raises OSError.
    """
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        request = solicited_node(address) + struct.pack("=I", ifindex)  # ipv6_mreq
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    except OSError:
        sock.close()
        raise
    return sock
