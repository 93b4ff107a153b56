"""One rtnetlink socket: typed look-ups, and requests that explain their failure.

Look-ups are single RTM_GET* requests by name or index; a dump happens only where a question needs one
(GC, undo). pyroute2 encodes and decodes; its objects do not leave this file.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from linuxnet.errors import KernelError

IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x100, 0x200  # linux/if.h
INGRESS_HANDLE = 0xFFFF0000  # ffff: (linux/pkt_sched.h)
PORT_FORWARDING = 3  # BR_STATE_FORWARDING (linux/if_bridge.h)
BRIDGE_VLAN_INFO_RANGE_END = 1 << 4  # linux/if_bridge.h

log = logging.getLogger("podwire.kernel")


@dataclass(frozen=True)
class Link:
    """A link as the kernel shows it. `mtu` in bytes; `master` and `peer` are interface indexes or None.

    `peer` is IFLA_LINK: a veth's other end, an index in the namespace it lives in.
    """

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    flags: int
    txqlen: int
    alias: str
    group: int
    operstate: str
    master: int | None
    peer: int | None
    data: Mapping[str, Any]
    port: Mapping[str, Any]

    @property
    def is_up(self) -> bool:
        """Tell whether it is administratively up."""
        return bool(self.flags & IFF_UP)


class Netlink:
    """A socket in the namespace its maker's thread was in, for good."""

    def __init__(self) -> None:
        self._socket = IPRoute(ext_ack=True, strict_check=True)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def find_link(self, name: str) -> Link | None:
        """Return the link of that name, None if there is none."""
        try:
            return self._first_link(ifname=name)
        except KernelError as error:
            if error.errno in (errno.ENODEV, errno.ENOENT):
                return None
            raise

    def get_link(self, name: str) -> Link:
        """Return the link of that name. Raises KernelError (ENODEV) if there is none."""
        return self._first_link(ifname=name)

    def find_link_at(self, index: int) -> Link | None:
        """Return the link with that index, None if there is none."""
        try:
            return self._first_link(index=index)
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def links(self, **filters: Any) -> Iterator[Link]:
        """Return all links: a dump, O(links). Filters as in ifinfmsg, e.g. master=INDEX."""
        for message in self._dump("get_links", **filters):
            yield _link(message)

    def port_vlans(self, index: int) -> list[dict[str, int]]:
        """Return a bridge port's VLANs as ranges: first, last, flags (linux/if_bridge.h)."""
        merged: list[dict[str, int]] = []
        for message in self._dump("get_vlans", index=index):
            spec = message.get_attr("IFLA_AF_SPEC")
            for entry in spec.get_attrs("IFLA_BRIDGE_VLAN_INFO") if spec else ():
                if entry["flags"] & BRIDGE_VLAN_INFO_RANGE_END and merged:
                    merged[-1]["last"] = entry["vid"]
                else:
                    merged.append({"first": entry["vid"], "last": entry["vid"], "flags": entry["flags"]})
        return merged

    def addresses(self, index: int) -> list[Mapping[str, Any]]:
        """Return the addresses of one link, attribute names as in rtnetlink(7) without "IFA_"."""
        found: list[Mapping[str, Any]] = []
        for message in self._dump("get_addr", index=index):
            extra = {"flags": _flags(message), "prefixlen": message["prefixlen"]}
            found.append(_attributes(message, "IFA_") | extra)
        return found

    def routes(self, **filters: Any) -> list[Mapping[str, Any]]:
        """Return routes, attribute names as in rtnetlink(7) without "RTA_", `dst_len`, `scope`, `family`."""
        found: list[Mapping[str, Any]] = []
        for message in self._dump("get_routes", **filters):
            fields = {key: message[key] for key in ("family", "dst_len", "scope", "type", "proto", "flags")}
            found.append(_attributes(message, "RTA_") | fields)
        return found

    def neighbours(self, index: int) -> list[Mapping[str, Any]]:
        """Return a link's neighbour entries, attribute names as in rtnetlink(7) without "NDA_"."""
        found: list[Mapping[str, Any]] = []
        for message in self._dump("get_neighbours", ifindex=index):
            found.append(_attributes(message, "NDA_") | {"state": message["state"]})
        return found

    def qdiscs(self, index: int) -> list[dict[str, Any]]:
        """Return a link's queueing disciplines, attribute names as in tc(8)'s messages without "TCA_"."""
        return [
            _attributes(message, "TCA_") | {"handle": message["handle"]}
            for message in self._dump("get_qdiscs", index=index)
            if message["index"] == index
        ]

    def redirects(self, index: int) -> list[int]:
        """Return the links that filters on a link's ingress lead to."""
        found = []
        for message in self._dump("get_filters", index=index, parent=INGRESS_HANDLE):
            for mirred in _nested(message, "TCA_OPTIONS", "TCA_U32_ACT", "*", "TCA_ACT_OPTIONS"):
                parms = mirred.get_attr("TCA_MIRRED_PARMS")
                found += [parms["ifindex"]] if parms else []
        return found

    def route_to(self, address: str) -> Mapping[str, Any]:
        """Return the route the kernel would take to one address. Raises KernelError if there is none."""
        message = self.request("route", "get", dst=address)[0]
        return _attributes(message, "RTA_")

    def request(self, what: str, command: str, **fields: Any) -> list[Any]:
        """Send one request of pyroute2's vocabulary and return the answers.

        Raises:
            KernelError: the kernel refused; its extended text is kept.
        """
        log.debug("%s %s %s", what, command, fields)
        try:
            return list(getattr(self._socket, what)(command, **fields))
        except NetlinkError as error:
            raise KernelError(error.code, f"{what} {command} {_brief(fields)}", str(error.args[1])) from error

    def _first_link(self, **key: Any) -> Link:
        return _link(self.request("link", "get", **key)[0])

    def _dump(self, what: str, **filters: Any) -> list[Any]:
        """Return a whole dump; one that was interrupted by a change is taken again (EINTR, netlink(7))."""
        for attempt in range(10):  # an interrupted dump ten times over is a storm worth reporting
            try:
                return list(getattr(self._socket, what)(**filters))
            except NetlinkError as error:
                if error.code != errno.EINTR or attempt == 9:
                    raise KernelError(error.code, what, str(error.args[1])) from error
        raise AssertionError("unreachable")


def _nested(message: Any, *names: str) -> Iterator[Any]:
    """Yield the attributes at the end of a path of names; "*" takes every attribute there."""
    name, *rest = names
    found = [value for _, value in message["attrs"]] if name == "*" else [message.get_attr(name)]
    for one in found:
        if one is not None and rest and hasattr(one, "get_attr"):
            yield from _nested(one, *rest)
        elif one is not None and not rest:
            yield one


def _attributes(message: Any, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix).lower(): value for name, value in message["attrs"]}


def _flags(message: Any) -> int:
    value = message.get_attr("IFA_FLAGS")
    return int(message["flags"] if value is None else value)


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    port = info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU"),
        flags=message["flags"],
        txqlen=message.get_attr("IFLA_TXQLEN") or 0,
        alias=message.get_attr("IFLA_IFALIAS") or "",
        group=message.get_attr("IFLA_GROUP") or 0,
        operstate=message.get_attr("IFLA_OPERSTATE") or "",
        master=message.get_attr("IFLA_MASTER"),
        peer=message.get_attr("IFLA_LINK"),
        data=dict(data["attrs"]) if data and "attrs" in data else {},
        port=dict(port["attrs"]) if port and "attrs" in port else {},
    )


def _brief(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{key} {value}" for key, value in fields.items())
