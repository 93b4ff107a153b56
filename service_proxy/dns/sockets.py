"""Where it is listened: a UDP and a TCP socket for each address, as many of each as processes answer.

A socket is bound to its one address, so that an answer comes from where the question went. Addresses may
be bound before the node has them (IP_FREEBIND): the cluster DNS address appears when the proxy makes it.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from service_proxy.model import Address

IP_FREEBIND, IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; past net.core.rmem_max, for root
RECEIVE_BUFFER = 4 << 20  # bytes: what comes in 50 ms at 200,000 queries a second, 400 bytes of kernel each
BACKLOG = 512  # connections


class Pair(NamedTuple):
    """The sockets of one address for one process."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        """Listen no more."""
        self.udp.close()
        self.tcp.close()


def open_pair(address: Address, port: int) -> Pair:
    """Listen at an address in the thread's network namespace, beside other processes that do.

    Raises:
        OSError: the port is somebody else's, or it is not permitted.
    """
    udp = _open(address, socket.SOCK_DGRAM)
    try:
        tcp = _open(address, socket.SOCK_STREAM)
        try:
            where = socket.inet_ntop(udp.family, address)
            udp.bind((where, port))
            tcp.bind((where, udp.getsockname()[1]))
            tcp.listen(BACKLOG)
            return Pair(udp, tcp)
        except OSError:
            tcp.close()
            raise
    except OSError:
        udp.close()
        raise


def _open(address: Address, kind: int) -> socket.socket:
    is_v4 = len(address) == 4
    one = socket.socket(socket.AF_INET if is_v4 else socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    if is_v4:
        one.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    else:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if kind == socket.SOCK_STREAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return one
    try:
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # not root: as much as everybody may have
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return one
