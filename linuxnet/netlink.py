"""One rtnetlink socket: typed look-ups, and changes that explain their failure.

Look-ups are single RTM_GET* requests by name or index; a dump happens only where a question needs one
(GC, undo). The messages are our own (`rtnetlink.py`): a request by pyroute2 takes 0.5 to 0.8 ms here,
nearly all of it Python of its own, by these 0.03 ms, and its import 150 ms of every start without an
agent. An ADD makes some twenty. What is rare and rich goes through pyroute2 all the same (`pyroute.py`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from linuxnet.errors import KernelError
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket, Refused
from linuxnet.netlink_wire import attribute, text, u32
from linuxnet.packed import packed
from linuxnet.rtnetlink import (
    IFADDR,
    IFINFO,
    IFLA_IFNAME,
    IFLA_MASTER,
    NDMSG,
    RTA_DST,
    RTA_OIF,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTMSG,
    encode,
)
from linuxnet.rtnetlink_answers import (
    Link,
    read_address,
    read_ipv4_conf,
    read_link,
    read_neighbour,
    read_route,
)

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
RTM_F_FIB_MATCH = 0x2000  # linux/rtnetlink.h: the route that matched, not the one made for the address
_WITHOUT_STATISTICS = u32(29, 1 << 3)  # IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS (linux/rtnetlink.h)

log = logging.getLogger("podwire.kernel")


class Netlink:
    """A socket in the namespace its maker's thread was in, for good."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)
        self._indexes: dict[str, int] = {}

    @property
    def messages_sent(self) -> int:
        """Return how many messages went to the kernel so far."""
        return self._socket.sent

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def find_link(self, name: str) -> Link | None:
        """Return the link of that name, None if there is none."""
        try:
            return self.get_link(name)
        except KernelError as error:
            if error.errno in (errno.ENODEV, errno.ENOENT):
                return None
            raise

    def get_link(self, name: str) -> Link:
        """Return the link of that name. Raises KernelError (ENODEV) if there is none."""
        body = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + _WITHOUT_STATISTICS
        link = read_link(self._get(RTM_GETLINK, body, f"link get {name}"))
        self._indexes[name] = link.index
        return link

    def link_message(self, name: str) -> bytes | None:
        """Return what the kernel says of a link, for who knows its kind; None if there is none."""
        body = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + _WITHOUT_STATISTICS
        try:
            return self._get(RTM_GETLINK, body, f"link get {name}")
        except KernelError as error:
            if error.errno in (errno.ENODEV, errno.ENOENT):
                return None
            raise

    def ipv4_conf(self, name: str) -> tuple[int, ...]:
        """Return a link's IPv4 settings: `rtnetlink_answers.read_ipv4_conf`. Raises KernelError (ENODEV)."""
        body = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + _WITHOUT_STATISTICS
        return read_ipv4_conf(self._get(RTM_GETLINK, body, f"link get {name}"))

    def index_of(self, name: str) -> int:
        """Return the index of the link of that name: the one it had when this socket last looked.

        Raises:
            KernelError: ENODEV, if there is none; a change that names an index of before says the same.
        """
        return self._indexes.get(name) or self.get_link(name).index

    def find_link_at(self, index: int) -> Link | None:
        """Return the link with that index, None if there is none."""
        try:
            body = IFINFO.pack(AF_UNSPEC, 0, index, 0, 0) + _WITHOUT_STATISTICS
            return read_link(self._get(RTM_GETLINK, body, f"link get index {index}"))
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def links(self, master: int | None = None) -> Iterator[Link]:
        """Return all links, or those of one master: a dump, O(links)."""
        of_master = u32(IFLA_MASTER, master) if master else b""
        body = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0) + of_master + _WITHOUT_STATISTICS
        return map(read_link, self._dump(RTM_GETLINK, body, "link dump"))

    def addresses(self, index: int = 0) -> list[Mapping[str, Any]]:
        """Return the addresses of one link, or of all: `rtnetlink_answers.read_address`."""
        body = IFADDR.pack(AF_UNSPEC, 0, 0, 0, index)
        return [read_address(one) for one in self._dump(RTM_GETADDR, body, "addr dump")]

    def routes(self, oif: int | None = None) -> list[Mapping[str, Any]]:
        """Return all routes, or those out of one link: `rtnetlink_answers.read_route`."""
        filtered = u32(RTA_OIF, oif) if oif else b""
        found: list[Mapping[str, Any]] = []
        for family in (AF_INET, AF_INET6):
            body = RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0) + filtered
            try:
                found += [read_route(one) for one in self._dump(RTM_GETROUTE, body, "route dump")]
            except KernelError as error:
                if error.errno != errno.EOPNOTSUPP:  # a kernel without IPv6
                    raise
        return found

    def neighbours(self, index: int) -> list[Mapping[str, Any]]:
        """Return a link's neighbour entries: `rtnetlink_answers.read_neighbour`."""
        body = NDMSG.pack(AF_UNSPEC, 0, 0, 0, 0) + u32(8, index)  # NDA_IFINDEX
        seen = (read_neighbour(one) for one in self._dump(RTM_GETNEIGH, body, "neigh dump"))
        return [one for one in seen if one["index"] == index]

    def route_to(self, address: str, *, matched: bool = False) -> Mapping[str, Any]:
        """Return the route the kernel would take to one address. Raises KernelError if there is none.

        `matched`: the entry of the routing table instead, with its own destination.
        """
        destination = packed(address)
        family, length = (AF_INET, 32) if len(destination) == 4 else (AF_INET6, 128)
        header = RTMSG.pack(family, length, 0, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH if matched else 0)
        body = header + attribute(RTA_DST, destination)
        return read_route(self._get(RTM_GETROUTE, body, f"route get {address}"))

    def request(self, what: str, command: str, **fields: Any) -> None:
        """Make one change; what, command and fields as `rtnetlink.encode` knows them.

        Raises:
            KernelError: the kernel refused; its extended text is kept.
        """
        log.debug("%s %s %s", what, command, fields)
        kind, flags, body = encode(what, command, fields)
        try:
            self._socket.change(kind, flags, body)
        except Refused as error:
            raise KernelError(error.errno, f"{what} {command} {brief(fields)}", error.said) from error

    def _get(self, kind: int, body: bytes, asked: str) -> bytes:
        try:
            return self._socket.get(kind, body)
        except Refused as error:
            raise KernelError(error.errno, asked, error.said) from error

    def _dump(self, kind: int, body: bytes, asked: str) -> list[bytes]:
        try:
            return self._socket.dump(kind, body)
        except Refused as error:
            if error.errno == errno.ENODEV:  # the link that is asked about has gone, and all that was on it
                return []
            raise KernelError(error.errno, asked, error.said) from error


def brief(fields: Mapping[str, Any]) -> str:
    """Write a request's fields for a person."""
    return " ".join(f"{key} {value}" for key, value in fields.items())
