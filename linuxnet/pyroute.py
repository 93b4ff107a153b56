"""pyroute2's socket, for what is rare and has rich messages: shaping, bridge VLANs, links to try out.

Its vocabulary and encoders are worth more there than the time they take. What attaches a pod does not
pass here (`netlink.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from linuxnet.errors import KernelError
from linuxnet.netlink import brief

INGRESS_HANDLE = 0xFFFF0000  # ffff: (linux/pkt_sched.h)
BRIDGE_VLAN_INFO_RANGE_END = 1 << 4  # linux/if_bridge.h

log = logging.getLogger("podwire.kernel")


class Pyroute:
    """A socket in the namespace its maker's thread was in, for good."""

    def __init__(self) -> None:
        self._socket = IPRoute(ext_ack=True, strict_check=True)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def request(self, what: str, command: str, **fields: Any) -> list[Any]:
        """Send one request of pyroute2's vocabulary and return the answers.

        Raises:
            KernelError: the kernel refused; its extended text is kept.
        """
        log.debug("%s %s %s", what, command, fields)
        try:
            return list(getattr(self._socket, what)(command, **fields))
        except NetlinkError as error:
            raise KernelError(error.code, f"{what} {command} {brief(fields)}", str(error.args[1])) from error

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

    def _dump(self, what: str, **filters: Any) -> list[Any]:
        try:
            return list(getattr(self._socket, what)(**filters))
        except NetlinkError as error:
            raise KernelError(error.code, what, str(error.args[1])) from error


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
