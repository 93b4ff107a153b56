"""A node's kernel, as far as it is the overlay's: the same from a recording and from a namespace.

`improved` is the one table of what podwire makes otherwise than flannel, and why; all else must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, NamedTuple

from tests.overlay.flannel.recordings import Lease, Recording
from tests.overlay.flannel.underlay import Node

PROTOCOL = "156"  # podwire's routes, as ip shows it
DEVICES = ("flannel.1", "flannel-v6.1")
NETWORKS = [ip_network("10.244.0.0/16"), ip_network("fd00:244::/48")]


class Device(NamedTuple):
    """A tunnel."""

    name: str
    mac: str
    mtu: int
    vni: int
    port: int
    local: str
    link: str
    is_learning: bool
    ttl: int
    df: str
    has_checksum: bool
    is_up: bool
    addresses: tuple[str, ...]  # global ones


class Route(NamedTuple):
    """A route to pods. `kind` as "unicast"; `by_nexthop`: through a nexthop object."""

    kind: str
    dst: str
    gateway: str
    dev: str
    is_onlink: bool
    metric: int
    protocol: str
    by_nexthop: bool


class Neighbour(NamedTuple):
    """A permanent neighbour of a tunnel."""

    dst: str
    dev: str
    mac: str


class Forward(NamedTuple):
    """A permanent FDB entry of a tunnel."""

    mac: str
    dev: str
    dst: str


@dataclass(frozen=True)
class Kernel:
    """What is compared."""

    devices: tuple[Device, ...] = ()
    routes: frozenset[Route] = field(default_factory=frozenset)
    neighbours: frozenset[Neighbour] = field(default_factory=frozenset)
    fdb: frozenset[Forward] = field(default_factory=frozenset)

    def with_mac(self, mac: str) -> Kernel:
        """Return the same with another MAC of the only tunnel."""
        (device,) = self.devices
        return replace(self, devices=(device._replace(mac=mac),))

    def without_peers(self) -> Kernel:
        """Return what is left when no other node is."""
        return Kernel(self.devices)

    def with_peer(self, lease: Lease) -> Kernel:
        """Return the same with what leads to one more node of flannel's, as podwire makes it."""
        key4, _, key6 = lease.key.partition("&")
        body = lease.body
        found = self._with_way(key4, "flannel.1", lease.mac4, body["PublicIP"], 0)
        return found._with_way(key6, "flannel-v6.1", lease.mac6, body["PublicIPv6"], 1024) if key6 else found

    def _with_way(self, key: str, dev: str, mac: str, public: str, metric: int) -> Kernel:
        gateway, _, length = key.rpartition("-")
        route = Route("unicast", f"{gateway}/{length}", gateway, dev, True, metric, PROTOCOL, True)
        return Kernel(
            self.devices, self.routes | {route}, self.neighbours | {Neighbour(gateway, dev, mac)},
            self.fdb | {Forward(mac, dev, public)},
        )  # fmt: skip

    def items(self) -> set[NamedTuple]:
        """Return everything in one set, for who looks for a difference."""
        return {*self.devices, *self.routes, *self.neighbours, *self.fdb}


def difference(seen: Kernel, expected: Kernel) -> str:
    """Return what is missing and what is beyond, line by line."""
    missing, beyond = expected.items() - seen.items(), seen.items() - expected.items()
    return "\n".join(
        ["", *sorted(f"missing {one}" for one in missing), *sorted(f"beyond {one}" for one in beyond)]
    )


def recorded(case: Recording, prefix: str, devices: str = "") -> Kernel:
    """Return what was recorded with a file name's first part, as "n2" or "n1_1_both_up".

    `devices`: the first part of the files with the tunnels, where it is another.
    """
    links = [one for name in DEVICES for one in case.json(f"{devices or prefix}.link.{name}.json")]
    return _kernel(
        links,
        case.json(f"{prefix}.addr.json") or case.json(f"{devices}.addr.json"),
        case.json(f"{prefix}.route4.json") + case.json(f"{prefix}.route6.json"),
        case.json(f"{prefix}.neigh.json"),
        lambda name: case.json(f"{prefix}.fdb.{name}.json"),
    )


def live(node: Node) -> Kernel:
    """Return what a namespace has now; nothing that one of the tunnels has is missing."""
    links = [one for one in node.see("link", "show") if one.get("linkinfo", {}).get("info_kind") == "vxlan"]
    routes = node.see("-4", "route") + node.see("-6", "route")
    return _kernel(links, node.see("addr"), routes, node.see("neigh"), node.see_fdb)


def improved(kernel: Kernel, *networks: str, is_new: bool = True) -> Kernel:
    """Return what podwire makes of the same: flannel's, but for what it does better on purpose.

    device `df`        unset -> inherit: a small underlay would fragment in silence
    device udp_csum    on -> off, over IPv4: a wrong sum after offload and NAT costs 63 s (RFC 7348 has none)
    route `protocol`   boot -> podwire's own: whoever looks sees whose it is, and so do we after a restart
    route `nhid`       none -> a nexthop object: a peer's change is one message, whatever its routes
    unreachable        none -> one route a network: packets for absent subnets leave by no default route

    `networks`: the cluster's. `is_new` False: the device was flannel's; its sums cannot be changed while it
    lives.
    """
    devices = (
        one._replace(df="inherit", has_checksum=one.has_checksum and not is_new) for one in kernel.devices
    )
    routes = {one._replace(protocol=PROTOCOL, by_nexthop=True) for one in kernel.routes}
    return replace(
        kernel, devices=tuple(devices), routes=frozenset(routes | {_unreachable(one) for one in networks})
    )


def _unreachable(network: str) -> Route:
    dev, metric = ("lo", 0xFFFFFFF0) if ":" in network else ("", 0xFFFFFFF0)
    return Route("unreachable", network, "", dev, False, metric, PROTOCOL, False)


def _kernel(
    links: Iterable[Any],
    addresses: Iterable[Any],
    routes: Iterable[Any],
    neighbours: Iterable[Any],
    fdb: Callable[[str], Iterable[Any]],
) -> Kernel:
    globals_of = {one["ifname"]: _globals(one) for one in addresses if "ifname" in one}
    devices = tuple(sorted(_device(one, globals_of.get(one["ifname"], ())) for one in links))
    names = [one.name for one in devices]
    return Kernel(
        devices,
        frozenset(_route(one) for one in routes if _leads_to_pods(one)),
        frozenset(
            Neighbour(one["dst"], one["dev"], one["lladdr"])
            for one in neighbours
            if one["dev"] in names and "PERMANENT" in one["state"]
        ),
        frozenset(
            Forward(one["mac"], name, one.get("dst", "")) for name in names for one in fdb(name)
        ),
    )  # fmt: skip


def _device(link: Any, addresses: tuple[str, ...]) -> Device:
    data = link["linkinfo"]["info_data"]
    local = data.get("local") or data.get("local6") or ""
    return Device(
        link["ifname"], link["address"], link["mtu"], data["id"], data["port"], local, data.get("link", ""),
        data["learning"], data["ttl"], data["df"], data["udp_csum"], "UP" in link["flags"], addresses,
    )  # fmt: skip


def _globals(link: Any) -> tuple[str, ...]:
    found = [one for one in link["addr_info"] if one.get("scope") == "global"]
    return tuple(sorted(f"{one['local']}/{one['prefixlen']}" for one in found))


def _leads_to_pods(route: Any) -> bool:
    if route["dst"] == "default" or route.get("protocol") == "kernel" or route.get("dev") == "veth0":
        return False  # the underlay's own, or to a pod of this node
    network = ip_network(route["dst"])
    return any(network.version == one.version and network.subnet_of(one) for one in NETWORKS)  # type: ignore[arg-type]


def _route(route: Any) -> Route:
    return Route(
        route.get("type", "unicast"), route["dst"], route.get("gateway", ""), route.get("dev", ""),
        "onlink" in route.get("flags", []), route.get("metric", 0), str(route.get("protocol", "")),
        "nhid" in route,
    )  # fmt: skip
