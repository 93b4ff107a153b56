"""A link's IPv4 settings, by netlink: what /proc/sys/net/ipv4/conf/NAME shows.

The way by files gets longer with every namespace that has a link of the same name: they all share one chain
of the kernel's directory cache (1,000 pods with an eth0: 1 ms a look). A message has no such neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op, Where

NUMBERS = {"arp_notify": 22}  # IPV4_DEVCONF_* (linux/ip.h)


@dataclass(frozen=True)
class Ipv4Conf:
    """One setting of one link. `key` as the file is called."""

    where: Where
    name: str
    key: str
    value: int

    def __str__(self) -> str:
        prefix = "" if self.where is Where.HOST else "ip netns exec CONTAINER "
        return f"{prefix}sysctl -w net/ipv4/conf/{self.name}/{self.key}={self.value}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Set it; the inverse sets it back."""
        before = self._seen(kernel)
        if before == self.value:
            return None
        self._set(kernel)
        return RestoreIpv4Conf(Ipv4Conf(self.where, self.name, self.key, before))

    def difference(self, kernel: Kernel) -> str | None:
        """Compare the value."""
        seen = self._seen(kernel)
        if seen == self.value:
            return None
        return f"sysctl net/ipv4/conf/{self.name}/{self.key} is {seen}, not {self.value}"

    def _seen(self, kernel: Kernel) -> int:
        values = kernel.at(self.where).ipv4_conf(self.name)
        return values[NUMBERS[self.key] - 1]

    def _set(self, kernel: Kernel) -> None:
        netlink = kernel.at(self.where)
        netlink.request(
            "link", "set", index=netlink.index_of(self.name), ipv4_conf={NUMBERS[self.key]: self.value}
        )


@dataclass(frozen=True)
class RestoreIpv4Conf(Inverse):
    """Put a setting back; a link that is gone needs nothing."""

    before: Ipv4Conf

    def __str__(self) -> str:
        return str(self.before)

    def apply(self, kernel: Kernel) -> Op | None:
        """Set it back if the link is there."""
        if kernel.at(self.before.where).find_link(self.before.name) is not None:
            self.before._set(kernel)
        return None
