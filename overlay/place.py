"""Place: where this node stands: its tunnels, its uplinks, what it wants. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from overlay.record import Mode, Offer
from overlay.subnet import Subnet


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A device of ours. `outer`: the underlay's family that its packets take; `mtu` in bytes, inside."""

    mode: Mode
    outer: int
    name: str
    index: int
    mtu: int
    vni: int
    port: int


@dataclass(frozen=True, slots=True)
class Uplink:
    """The link towards other nodes for one underlay family; `mtu` in bytes."""

    name: str
    index: int
    address: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Path:
    """What is known of the way to one node.

    `is_on_link`: no router in between. `is_verified`: plain routes were tried and work. `mtu` in bytes: the
    largest packet seen to pass through the tunnel; 0: not known.
    """

    is_on_link: bool = False
    is_verified: bool = False
    mtu: int = 0


UNKNOWN = Path()  # before anything was asked


TunnelKey = tuple[Mode, int, int, int]  # mode, outer family, UDP port, VNI


@dataclass(frozen=True)
class Place:
    """This node. Tunnels by mode, outer family, port and VNI; uplinks by family.

    `port`: the UDP port of VXLAN where a record names none, as flannel's do.
    """

    key: str
    node: str
    subnets: tuple[Subnet, ...]
    networks: tuple[Subnet, ...]
    tunnels: Mapping[TunnelKey, Tunnel] = field(default_factory=dict)
    uplinks: Mapping[int, Uplink] = field(default_factory=dict)
    is_direct: bool = False  # plain routes where they work
    has_blackhole: bool = True
    port: int = 8472
    keys: frozenset[str] = frozenset()  # of all its leases, the blocks it took later too

    def public(self, version: int) -> str:
        """Return the node's own underlay address of a family, "" for none."""
        uplink = self.uplinks.get(version)
        return uplink.address if uplink else ""

    def tunnel(self, offer: Offer, outer: int) -> Tunnel | None:
        """Return the device that speaks to an offer over an outer family."""
        return self.tunnels.get((offer.mode, outer, offer.port or self.port, offer.vni))

    def owns(self, key: str) -> bool:
        """Tell whether a lease is this node's."""
        return key == self.key or key in self.keys


UNPLACED = Place("", "", (), ())  # before the node knows where it stands
