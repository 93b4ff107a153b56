"""Routes, on either side."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netaddr import IPAddress, IPNetwork

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op, Where

RT_TABLE_MAIN = 254  # linux/rtnetlink.h
RT_SCOPE_LINK, RT_SCOPE_HOST = 253, 254
RTNH_F_ONLINK = 4  # the gateway is on this link although no route says so


@dataclass(frozen=True)
class Route:
    """A route out of one link. `mtu` and `advmss` in bytes; None leaves a field to the kernel.

    Several routes to one destination over different gateways may stand side by side (NLM_F_CREATE
    without NLM_F_REPLACE), as the reference plugins leave them.
    """

    where: Where
    ifname: str
    dst: IPNetwork
    gw: IPAddress | None = None
    src: IPAddress | None = None
    scope: int | None = None
    table: int | None = None
    priority: int | None = None
    mtu: int | None = None
    advmss: int | None = None

    def __str__(self) -> str:
        options = {
            "via": self.gw,
            "src": self.src,
            "scope": self.scope,
            "table": self.table,
            "metric": self.priority,
            "mtu": self.mtu,
            "advmss": self.advmss,
        }
        said = "".join(f" {key} {value}" for key, value in options.items() if value is not None)
        return f"ip {self.where}route add {self.dst.cidr} dev {self.ifname}{said}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Add it; one that is there already is fine."""
        try:
            kernel.at(self.where).request("route", "add", **self._fields(kernel))
        except KernelError as error:
            if error.errno == errno.EEXIST:
                return None
            raise
        return RemoveRoute(self)

    def difference(self, kernel: Kernel) -> str | None:
        """Look for it among the link's routes."""
        link = kernel.at(self.where).find_link(self.ifname)
        seen = kernel.at(self.where).routes(oif=link.index) if link else []
        if any(self._matches(route) for route in seen):
            return None
        return f"route to {self.dst.cidr}{f' via {self.gw}' if self.gw else ''} is missing on {self.ifname}"

    def _matches(self, seen: Mapping[str, Any]) -> bool:
        metrics = seen["metrics"]
        wanted = (
            (self.gw, seen.get("gateway") or seen.get("via")),
            (self.priority, seen.get("priority")),
            (self.scope, seen["scope"]),
            (self.mtu, metrics.get("mtu")),
            (self.advmss, metrics.get("advmss")),
        )
        destination = IPNetwork(f"{seen['dst']}/{seen['dst_len']}") if seen.get("dst") else None
        return (
            (destination == self.dst.cidr if destination else self._is_default(seen))
            and seen.get("table", RT_TABLE_MAIN) == (self.table or RT_TABLE_MAIN)
            and all(mine is None or str(mine) == str(theirs) for mine, theirs in wanted)
        )

    def _is_default(self, seen: Mapping[str, Any]) -> bool:
        return self.dst.prefixlen == 0 and seen["family"] == (2 if self.dst.version == 4 else 10)

    def _fields(self, kernel: Kernel) -> dict[str, Any]:
        found: dict[str, Any] = {
            "dst": str(self.dst.cidr),
            "oif": kernel.at(self.where).index_of(self.ifname),
            "gateway": self.gw and str(self.gw),
            "prefsrc": self.src and str(self.src),
            "scope": self.scope,
            "table": self.table,
            "priority": self.priority,
            "family": 2 if self.dst.version == 4 else 10,
        }
        metrics = {key: value for key, value in (("mtu", self.mtu), ("advmss", self.advmss)) if value}
        return {k: v for k, v in found.items() if v is not None} | ({"metrics": metrics} if metrics else {})


@dataclass(frozen=True)
class RemoveRoute(Inverse):
    """Take a route away; gone already, with or without the link, is fine."""

    route: Route

    def __str__(self) -> str:
        return str(self.route).replace("route add", "route delete", 1)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it is there."""
        try:
            kernel.at(self.route.where).request("route", "del", **self.route._fields(kernel))
        except KernelError as error:
            if error.errno not in (errno.ESRCH, errno.ENODEV, errno.ENOENT):  # gone: what we wanted
                raise
        return None
