"""Monitor: what changes in a namespace, as it happens: links, addresses, routes, nexthops, neighbours.

Only which kind has changed is told, and of which link: whoever is told looks at the whole anyway. A full
buffer (ENOBUFS) loses events, and says so by naming every kind.
"""

from __future__ import annotations

import socket
import struct
from enum import Flag, auto

from linuxnet.netlink_socket import NETLINK_ROUTE, news, split
from linuxnet.rtnetlink import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTMSG,
)

RTM_DELNEXTHOP = 105
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
# RTNLGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE, NEXTHOP (linux/rtnetlink.h)
GROUPS = (1, 3, 5, 7, 9, 11, 32)
BUFFER = 8 << 20  # bytes; a storm of 20,000 routes
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


class Changed(Flag):
    """Kinds of things that have changed. ENTRY: a route, nexthop or neighbour has gone."""

    NOTHING = 0
    LINK = auto()
    ADDRESS = auto()
    ROUTE = auto()
    ENTRY = auto()


EVERYTHING = Changed.LINK | Changed.ADDRESS | Changed.ROUTE | Changed.ENTRY
_KINDS = {
    RTM_NEWLINK: Changed.LINK, RTM_DELLINK: Changed.LINK, RTM_NEWADDR: Changed.ADDRESS,
    RTM_DELADDR: Changed.ADDRESS, RTM_NEWROUTE: Changed.ROUTE, RTM_DELROUTE: Changed.ENTRY | Changed.ROUTE,
    RTM_DELNEXTHOP: Changed.ENTRY, RTM_DELNEIGH: Changed.ENTRY,
}  # fmt: skip


class Monitor:
    """A socket that hears of changes in the namespace its maker's thread was in. Close it."""

    def __init__(self, own_protocol: int) -> None:
        self._own = own_protocol
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_ROUTE
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # an ordinary user's namespace: what the system allows, then
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind((0, 0))  # one without a port number hears nothing, whatever its groups
        for group in GROUPS:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, struct.pack("=I", group))

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read(self) -> Changed:
        """Return what has changed since the last look; does not wait."""
        found = Changed.NOTHING
        for data in news(self._socket):
            if data is None:
                return EVERYTHING
            for _, kind, _, body in split(data):
                if not (kind == RTM_NEWROUTE and RTMSG.unpack_from(body)[5] == self._own):  # our own work
                    found |= _KINDS.get(kind, Changed.NOTHING)
        return found
