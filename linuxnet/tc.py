"""Shaping: a token bucket on what leaves by a link, and a detour for what arrives by it.

A qdisc shapes what a link sends. What a container sends arrives at the host's end, so it is led over an
IFB, a link whose only purpose is to send what it is given, and shaped there (tc-tbf(8), tc-mirred(8)).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from linuxnet.errors import Conflict, KernelError
from linuxnet.kernel import Kernel
from linuxnet.links import RemoveLink
from linuxnet.numbers import LINK_GROUP
from linuxnet.op import Inverse, Op, Where

ROOT_HANDLE, INGRESS_HANDLE = 0x10000, 0xFFFF0000  # 1: and ffff: (linux/pkt_sched.h)
TC_H_ROOT, TC_H_INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
CLASS = 0x10001  # 1:1, where u32's matches go; the reference plugin's
ETH_P_ALL = 3  # linux/if_ether.h
MATCH_ALL = "0x0/0x0+0"


@dataclass(frozen=True)
class TokenBucket:
    """TBF as a link's root qdisc. `rate` in bits per second, `burst` in bits, `latency` in milliseconds.

    At most rate times latency, and the burst, wait in its queue; what exceeds that is dropped.
    """

    name: str
    rate: int
    burst: int
    latency: int = 25

    def __str__(self) -> str:
        shape = f"rate {self.rate}bit burst {self.burst // 8} latency {self.latency}ms"
        return f"tc qdisc add dev {self.name} root handle 1: tbf {shape}"

    @property
    def limit(self) -> int:
        """Return how many bytes may wait."""
        return self.rate // 8 * self.latency // 1000 + self.burst // 8

    def apply(self, kernel: Kernel) -> Op | None:
        """Add it; raises Conflict if the link is shaped already, unless exactly so."""
        if self.difference(kernel) is None:
            return None
        index = kernel.host.get_link(self.name).index
        shape = {"rate": self.rate // 8, "burst": self.burst // 8, "limit": self.limit}
        place = {"index": index, "handle": ROOT_HANDLE, "parent": TC_H_ROOT}
        try:
            kernel.pyroute.request("tc", "add", kind="tbf", **place, **shape)
        except KernelError as error:
            if error.errno == errno.EEXIST:
                raise Conflict(f"{self.name} has another root qdisc already") from error
            raise
        return RemoveQdisc(self.name, TC_H_ROOT)

    def difference(self, kernel: Kernel) -> str | None:
        """Compare the root qdisc's kind, rate, burst and limit."""
        seen = find_qdisc(kernel, self.name, ROOT_HANDLE)
        if seen is None or seen["kind"] != "tbf":
            return f"{self.name} is not shaped: its root qdisc is {seen['kind'] if seen else 'the default'}"
        shape = dict(seen["options"]["attrs"])["TCA_TBF_PARMS"]
        for what, is_now, wanted in (
            ("rate", shape["rate"], self.rate // 8),
            ("limit", shape["limit"], self.limit),
        ):
            if is_now != wanted:
                return f"{self.name} is shaped with {what} {is_now}, not {wanted} (bytes)"
        return None


@dataclass(frozen=True)
class Ifb:
    """The link over which a container's traffic takes its detour. `mtu` in bytes; `alias` names the owner."""

    name: str
    mtu: int
    alias: str

    def __str__(self) -> str:
        add = f"ip link add {self.name} mtu {self.mtu} type ifb"
        return f"{add}; ip link set {self.name} alias '{self.alias}' up"

    def apply(self, kernel: Kernel) -> Op | None:
        """Create it. Raises Conflict if the name is taken."""
        try:
            kernel.host.request("link", "add", ifname=self.name, kind="ifb", mtu=self.mtu, group=LINK_GROUP)
        except KernelError as error:
            if error.errno == errno.EEXIST:
                raise Conflict(f"{self.name} exists already; DEL of its attachment removes it") from error
            raise
        inverse = RemoveLink(Where.HOST, self.name)
        try:
            kernel.host.request("link", "set", ifname=self.name, alias=self.alias, group=0, state="up")
        except KernelError:
            kernel.apply(inverse)
            raise
        return inverse

    def difference(self, kernel: Kernel) -> str | None:
        """Look for it."""
        seen = kernel.host.find_link(self.name)
        if seen is None or seen.kind != "ifb":
            return f"interface {self.name}, which shapes what the container sends, is missing"
        return None if seen.is_up else f"interface {self.name} is down"


@dataclass(frozen=True)
class Detour:
    """Lead everything that arrives by one link over another."""

    name: str
    over: str

    def __str__(self) -> str:
        match = f"tc filter add dev {self.name} parent ffff: protocol all u32 match u32 0 0"
        return f"tc qdisc add dev {self.name} ingress; {match} action mirred egress redirect dev {self.over}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Add the ingress qdisc and its filter."""
        index, over = kernel.host.get_link(self.name).index, kernel.host.get_link(self.over).index
        try:
            kernel.pyroute.request("tc", "add", kind="ingress", index=index, handle=INGRESS_HANDLE)
        except KernelError as error:
            if error.errno == errno.EEXIST:
                raise Conflict(f"{self.name} has an ingress qdisc already") from error
            raise
        inverse = RemoveQdisc(self.name, TC_H_INGRESS)
        action = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": over}
        try:
            place = {"index": index, "parent": INGRESS_HANDLE, "prio": 1, "protocol": ETH_P_ALL}
            match = {"target": CLASS, "keys": [MATCH_ALL], "action": action}
            kernel.pyroute.request("tc", "add-filter", kind="u32", **place, **match)
        except KernelError:
            kernel.apply(inverse)
            raise
        return inverse

    def difference(self, kernel: Kernel) -> str | None:
        """Look for a filter that leads to the other link."""
        link, over = kernel.host.find_link(self.name), kernel.host.find_link(self.over)
        targets = kernel.pyroute.redirects(link.index) if link else []
        if over is None or over.index not in targets:
            return f"what arrives by {self.name} is not led over {self.over}"
        return None


@dataclass(frozen=True)
class RemoveQdisc(Inverse):
    """Remove a link's root or ingress qdisc; gone already, with or without the link, is fine."""

    name: str
    parent: int

    def __str__(self) -> str:
        return f"tc qdisc del dev {self.name} {'root' if self.parent == TC_H_ROOT else 'ingress'}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it if it is there."""
        link = kernel.host.find_link(self.name)
        if link is None:
            return None
        kind = {"kind": "ingress"} if self.parent != TC_H_ROOT else {}
        try:
            kernel.pyroute.request("tc", "del", index=link.index, parent=self.parent, **kind)
        except KernelError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):  # none there: what we wanted
                raise
        return None


def find_qdisc(kernel: Kernel, name: str, handle: int) -> dict[str, Any] | None:
    """Return a link's qdisc with a handle: its kind and options."""
    link = kernel.host.find_link(name)
    found = kernel.pyroute.qdiscs(link.index) if link else []
    return next((one for one in found if one["handle"] == handle), None)
