"""Addresses that this node answers for without having them: a route of type local, in the table local.

An address on a link would be shown as the node's own, be chosen as a source, and be told to others. What
comes for such a route is delivered here all the same (ip-route(8), type local).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from linuxnet.errors import KernelError
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket, Refused
from linuxnet.netlink_wire import NLM_F_CREATE, NLM_F_EXCL, attribute, read_attributes, u32
from linuxnet.numbers import SERVICES_PROTOCOL
from linuxnet.packed import text_of
from linuxnet.rtnetlink import RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE, RTMSG

RTA_DST, RTA_OIF = 1, 4  # linux/rtnetlink.h
RTN_LOCAL, RT_TABLE_LOCAL, RT_SCOPE_HOST = 2, 255, 254
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
LOOPBACK = 1  # ifindex of lo in every namespace


def add_local(addresses: Iterable[bytes]) -> None:
    """Have packets for these addresses delivered here; those that are local already are fine.

    Raises:
        KernelError: the kernel refused one.
    """
    _change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, addresses, errno.EEXIST)


def remove_local(addresses: Iterable[bytes]) -> None:
    """Take back what `add_local` did; none there is fine. Raises KernelError."""
    _change(RTM_DELROUTE, 0, addresses, errno.ESRCH)


def remove_all_local() -> None:
    """Take back all that `add_local` ever did in the calling thread's namespace. Raises KernelError."""
    asked = NetlinkSocket(NETLINK_ROUTE)
    try:
        bodies = [body for family in _FAMILIES for body in asked.dump(RTM_GETROUTE, _header(family, 0))]
    except Refused as error:
        raise KernelError(error.errno, "ip route show table local", error.said) from error
    finally:
        asked.close()
    remove_local(read_attributes(body, RTMSG.size)[RTA_DST] for body in bodies)


def _change(kind: int, flags: int, addresses: Iterable[bytes], fine: int) -> None:
    asked = NetlinkSocket(NETLINK_ROUTE)
    try:
        for address in addresses:
            try:
                asked.change(kind, flags, _body(address))
            except Refused as error:
                if error.errno != fine:
                    verb = "add" if kind == RTM_NEWROUTE else "del"
                    raise KernelError(
                        error.errno, f"ip route {verb} local {text_of(address)} dev lo"
                    ) from error
    finally:
        asked.close()


def _body(address: bytes) -> bytes:
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    header = _header(family, len(address) * 8, RT_SCOPE_HOST)
    return header + attribute(RTA_DST, address) + u32(RTA_OIF, LOOPBACK)


def _header(family: int, length: int, scope: int = 0) -> bytes:
    return RTMSG.pack(family, length, 0, 0, RT_TABLE_LOCAL, SERVICES_PROTOCOL, scope, RTN_LOCAL, 0)
