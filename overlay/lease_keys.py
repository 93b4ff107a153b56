"""Where things are kept below a registry's prefix: flannel's keys, and ours beside them. Pure.

    config                     net-conf.json
    subnets/LEASE              flannel's lease of a node, ends with its TTL
    podwire/owned/LEASE        the same value without an end: who owns the subnets, alive or not
    podwire/alloc/SUBNET       who owns the single subnet, where a lease of another name may have it, too:
                               in dual stack, of further blocks, and of what is reserved
    podwire/alive/NODE         a node's boot, ends a minute after it was last heard of

flannel lists `subnets/` and reads `config`, and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from overlay.flannel_form import lease_key
from overlay.subnet import Subnet

FLANNEL_PREFIX = "/coreos.com/network"


class Keys(NamedTuple):
    """The keys of one network."""

    prefix: str = FLANNEL_PREFIX

    @property
    def all(self) -> str:
        """Return what every key starts with."""
        return f"{self.prefix}/"

    @property
    def config(self) -> str:
        """Return the configuration's key."""
        return f"{self.prefix}/config"

    def lease(self, lease: str) -> str:
        """Return flannel's key of a lease."""
        return f"{self.prefix}/subnets/{lease}"

    def owned(self, lease: str) -> str:
        """Return the key of a lease's ownership."""
        return f"{self.prefix}/podwire/owned/{lease}"

    def alloc(self, subnet: Subnet) -> str:
        """Return the key of one subnet's ownership."""
        return f"{self.prefix}/podwire/alloc/{lease_key((subnet,))}"

    def alive(self, node: str) -> str:
        """Return the key of a node's liveness."""
        return f"{self.prefix}/podwire/alive/{node}"

    def split(self, key: str) -> tuple[str, str]:
        """Return ("subnets", "owned", "alloc", "alive" or "config", the rest); ("", key) for others'."""
        if not key.startswith(self.all):
            return "", key
        tail = key[len(self.all) :].removeprefix("podwire/")
        kind, _, rest = tail.partition("/")
        return (kind, rest) if kind in ("subnets", "owned", "alloc", "alive", "config") else ("", key)
