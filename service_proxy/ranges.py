"""Where ClusterIPs, NodePorts and balancers' addresses come from, and how such things are written. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from service_proxy.model import Address
from service_proxy.number_range import NumberRange, address_band, port_band

IP, VIP = "ip", "vip"  # kinds of things: ClusterIPs, addresses of load balancers
SIZE_MAX = 1 << 64  # addresses of a range that are looked at


@dataclass(frozen=True)
class Ranges:
    """Where ClusterIPs and NodePorts come from. The family of the first range is the cluster's own.

    `pools`: where addresses of load balancers come from. `is_all`: False where an API server gives the rest.
    """

    cidrs: tuple[str, ...]
    node_ports: tuple[int, int] = (30000, 32767)  # first and last; healthCheckNodePorts come from here, too
    pools: tuple[str, ...] = ()
    is_all: bool = True
    addresses: tuple[tuple[int, NumberRange], ...] = field(init=False)  # family and numbers
    pooled: tuple[tuple[int, NumberRange], ...] = field(init=False)
    ports: NumberRange = field(init=False)

    def __post_init__(self) -> None:
        first, last = self.node_ports
        size = last - first + 1
        object.__setattr__(self, "addresses", tuple(_address_range(one) for one in self.cidrs))
        object.__setattr__(self, "pooled", tuple(_pool(one) for one in self.pools))
        object.__setattr__(self, "ports", NumberRange(first, size, port_band(size)))

    def of(self, kind: str) -> tuple[tuple[int, NumberRange], ...]:
        """Return the ranges of a kind of things."""
        return self.pooled if kind == VIP else self.addresses

    @property
    def families(self) -> tuple[int, ...]:
        """Return the families there are, the cluster's own first."""
        return tuple(dict.fromkeys(family for family, _ in self.addresses))


def _address_range(cidr: str) -> tuple[int, NumberRange]:
    """Return a range without the addresses that name the subnet and, of IPv4, all of it."""
    net = ipaddress.ip_network(cidr)
    size = min(net.num_addresses, SIZE_MAX)
    usable = max(size - (2 if net.version == 4 else 1), 0)
    return net.version, NumberRange(int(net.network_address) + 1, usable, max(address_band(size) - 1, 0))


def _pool(cidr: str) -> tuple[int, NumberRange]:
    """Return a pool: all of its addresses, since a balancer's need be of no subnet."""
    net = ipaddress.ip_network(cidr)
    return net.version, NumberRange(int(net.network_address), min(net.num_addresses, SIZE_MAX))


def range_key(kind: str, numbers: NumberRange) -> str:
    """Return what a range's taken numbers are counted by."""
    return f"{kind} {numbers.first} {numbers.size}"


def address_of(thing: str, kind: str) -> Address | None:
    """Return the address that a claim's thing is, if it is one of that kind."""
    is_one, _, text = thing.partition("/")
    if is_one != kind or kind not in (IP, VIP):
        return None
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:  # a key that somebody wrote by hand
        return None


def packed(number: int, family: int) -> Address:
    """Return the address of a number."""
    return number.to_bytes(4 if family == 4 else 16, "big")
