"""Sockets that are opened in a namespace and used from outside it."""

from __future__ import annotations

import socket

from conformance.world.namespaces import inside


def socket_in(
    netns: str, kind: socket.SocketKind, address: tuple[str, int], *, family: int = socket.AF_INET
) -> socket.socket:
    """Open a socket in a namespace (a path), bound to an address and port (0: any)."""
    with inside(netns):
        opened = socket.socket(family, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(address)
    return opened
