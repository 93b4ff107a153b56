"""What a node's kernel should hold, from the registry's values alone, and what `ip`, `bridge`, `nft` show.

Written from the records' meaning, without the overlay's own code: the first of a node's offers that the
sender offers, too, is taken; plain routes where they come first and there is one segment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from tests.overlay.cluster import Cluster
from tests.overlay.machines import ROOT, Node, run

OVERHEAD = {("vxlan", 4): 50, ("vxlan", 6): 70, ("vxlan-gpe", 4): 36, ("vxlan-gpe", 6): 56}  # bytes
RULES = ROOT / "linuxnet" / "overlay.nft"
PORT_CHAINS = ("arriving", "leaving")  # have a rule for each port of the moment


class Way(NamedTuple):
    """How packets for a subnet leave: device by what it is, where to, the peer's MAC, `mtu lock`."""

    subnet: str
    device: tuple[Any, ...]
    to: str
    mac: str = ""
    lock: int = 0


@dataclass
class World:
    """A node's overlay: ways, and what there is beside them."""

    ways: set[Way]
    peers: set[str]
    sources: set[tuple[str, int]]
    stray: set[str]
    rules: set[tuple[str, int]]  # chain, how many

    def difference(self, other: World) -> str:
        """Return what only one of the two has, "" for nothing."""
        found = []
        for name in ("ways", "peers", "sources", "stray", "rules"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{name}: missing {sorted(mine - theirs)}, too many {sorted(theirs - mine)}")
        return "; ".join(found)


def leases(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the nodes' records by node, as JSON, with their subnets."""
    found = {}
    for key, value in cluster.items().items():
        if "/owned/" in key:
            body = json.loads(value)
            subnets = [one.replace("-", "/") for one in key.rsplit("/", 1)[1].split("&")]
            found[body["Podwire"]["Node"]] = body | {"Subnets": subnets}
    return found


def wanted(cluster: Cluster, node: Node) -> World:
    """Compute what a node's kernel should hold."""
    all_ = leases(cluster)
    own = all_.pop(node.settings["node"])
    others = list(all_.values())
    publics = {one for other in others for one in _publics(other).values()}
    sources = {
        (public, _first_bits(subnet))
        for other in others
        for public in _publics(other).values()
        for subnet in other["Subnets"]
    }
    ways = {_way(cluster, own, other, subnet) for other in others for subnet in other["Subnets"]}
    return World({one for one in ways if one}, publics, sources, set(), _rules_written())


def seen(node: Node) -> World:
    """Read what a node's kernel holds."""
    devices = dict(_devices(node))
    nexthops = {one["id"]: one for one in _json(node, "ip", "-j", "nexthop") if one.get("protocol") == "156"}
    macs = {
        (one["dev"], one["dst"]): one.get("lladdr", "")
        for one in _json(node, "ip", "-j", "neigh", "show", "nud", "permanent")
        if one["dev"] in devices
    }
    fdb = [one for one in _json(node, "bridge", "-j", "fdb") if one["ifname"] in devices and "dst" in one]
    places = {(one["ifname"], one["mac"]): one["dst"] for one in fdb}
    ways: set[Way] = set()
    used: set[tuple[str, str]] = set()
    stray: set[str] = set() if len(fdb) == len(places) else {"a MAC with two places"}
    for route in _routes(node):
        hop = nexthops.pop(route.get("nhid", 0), None)
        if hop is None:
            stray |= set() if route.get("type") == "unreachable" else {f"route {route['dst']}"}
            continue
        device, mac = hop["dev"], macs.pop((hop["dev"], hop.get("gateway", "")), "")
        to = hop.get("gateway", "") if device not in devices else hop.get("dst", "")
        to = places.get((device, mac), to) if mac else to
        used.add((device, mac))
        lock = next((int(one["mtu"]) for one in route.get("metrics", []) if "mtu" in one), 0)
        ways.add(Way(route["dst"], devices.get(device, ("direct", device)), to, mac, lock))
    stray |= {f"nexthop {one}" for one in nexthops} | {f"neighbour {one}" for one in macs}
    stray |= {f"fdb {one}" for one in places.keys() - used}
    peers, sources, rules = _guard(node)
    return World(ways, peers, sources, stray, rules)


def mistakes(cluster: Cluster) -> str:
    """Return where the kernels of running nodes are not what they should be, "" for nowhere."""
    found = [_untold(cluster, node, record) for node, record in _records(cluster)]
    for node in cluster.nodes.values():
        if node.process is not None and (said := wanted(cluster, node).difference(seen(node))):
            found.append(f"{node.name}: {said}")
    return "\n".join(filter(None, found))


def _records(cluster: Cluster) -> list[tuple[Node, dict[str, Any]]]:
    found = leases(cluster)
    return [(one, found.get(one.settings["node"], {})) for one in cluster.nodes.values()]


def _untold(cluster: Cluster, node: Node, record: dict[str, Any]) -> str:
    """Return what a node's record does not say (yet) of where the node stands."""
    if not record:
        return f"{node.name} has no lease"
    if _publics(record) != node.public or record["Podwire"]["MTU"] != node.mtu:
        return f"{node.name} is at {node.public} with {node.mtu} bytes; its record says {record}"
    backend = cluster.conf["Backend"]
    mode = {"host-gw": "direct"}.get(backend["Type"], backend["Type"])
    port = backend.get("Port", {"vxlan": 8472, "vxlan-gpe": 4790}.get(mode))
    first = _offers(record)[0]
    return (
        ""
        if (first["Mode"], first.get("Port")) == (mode, port)
        else f"{node.name} offers {first}, not {backend}"
    )


def _way(cluster: Cluster, own: Mapping[str, Any], other: Mapping[str, Any], subnet: str) -> Way | None:
    inner = ip_network(subnet).version
    mine, theirs = _publics(own), _publics(other)
    offered = {_kind(one) for one in _offers(own)}
    if (
        cluster.conf["Backend"].get("DirectRouting")
        and not cluster.is_routed
        and inner in mine
        and inner in theirs
    ):
        return _direct(own, other, subnet, theirs[inner])
    for offer in _offers(other):
        mode = offer["Mode"]
        if mode == "direct":
            if not cluster.is_routed and inner in mine and inner in theirs:
                return _direct(own, other, subnet, theirs[inner])
            continue
        for outer in (inner, 10 - inner):
            if outer in mine and outer in theirs and _kind(offer) in offered:
                mac = (
                    other["BackendV6Data" if outer == 6 else "BackendData"]["VtepMAC"]
                    if mode == "vxlan"
                    else ""
                )
                size = own["Podwire"]["MTU"]
                told = other["Podwire"]["MTU"]
                lock = told - OVERHEAD[mode, outer] if told < size else 0
                key = ("vxlan", offer["Port"], outer) if mode == "vxlan" else ("vxlan-gpe", offer["Port"], 0)
                return Way(subnet, key, theirs[outer], mac, lock)
    return None


def _direct(own: Mapping[str, Any], other: Mapping[str, Any], subnet: str, to: str) -> Way:
    size, told = own["Podwire"]["MTU"], other["Podwire"]["MTU"]
    return Way(subnet, ("direct", "eth0"), to, lock=told if told < size else 0)


def _kind(offer: Mapping[str, Any]) -> tuple[Any, ...]:
    return offer["Mode"], offer.get("Port"), offer.get("VNI")


def _offers(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(record["Podwire"]["Offers"])


def _publics(record: Mapping[str, Any]) -> dict[int, str]:
    both = {4: record["PublicIP"], 6: record["PublicIPv6"]}
    return {version: one for version, one in both.items() if one and one != "0.0.0.0"}


def _first_bits(subnet: str) -> int:
    network = ip_network(subnet)
    return int(network.network_address) >> (network.max_prefixlen - network.prefixlen)


def _devices(node: Node) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for one in _json(node, "ip", "-j", "-d", "link", "show", "type", "vxlan"):
        data = one["linkinfo"]["info_data"]
        outer = 6 if "local6" in data else 4
        yield (
            one["ifname"],
            ("vxlan-gpe", data["port"], 0) if data.get("external") else ("vxlan", data["port"], outer),
        )


def _routes(node: Node) -> list[dict[str, Any]]:
    both = [_json(node, "ip", family, "-j", "route", "show", "proto", "156") for family in ("-4", "-6")]
    return [*both[0], *both[1]]


def _rules_written() -> set[tuple[str, int]]:
    """Return how many rules each chain has in the text that nft is given."""
    counts: Counter[str] = Counter()
    chain = ""
    for line in map(str.strip, RULES.read_text().splitlines()):
        if line.startswith("chain "):
            chain = line.split()[1]
        elif line == "}":
            chain = ""
        elif chain and line and not line.startswith(("type ", "#")):
            counts[chain] += 1
    return {one for one in counts.items() if one[0] not in PORT_CHAINS}


def _guard(node: Node) -> tuple[set[str], set[tuple[str, int]], set[tuple[str, int]]]:
    peers: set[str] = set()
    sources: set[tuple[str, int]] = set()
    try:
        body = _json(node, "nft", "-j", "list", "table", "inet", "podwire_overlay")["nftables"]
    except AssertionError:  # the table is not there (yet)
        return peers, sources, set()
    for found in (one["set"] for one in body if "set" in one):
        for element in found.get("elem", []):
            if found["name"].startswith("peers"):
                peers.add(element)
            elif found["name"].startswith("sources"):
                outer, first = element["concat"]
                bits = int(found["name"].partition("_")[2] or 0)
                number = int(first, 0) if isinstance(first, str) else first
                sources.add((str(ip_address(outer)), number % (1 << bits)))
    rules = Counter(one["rule"]["chain"] for one in body if "rule" in one)
    return peers, sources, {one for one in rules.items() if one[0] not in PORT_CHAINS}


def _json(node: Node, *command: str) -> Any:
    text = run("nsenter", f"--net=/run/netns/{node.name}", *command)
    return json.loads(text or "[]", object_pairs_hook=_keep_first)


def _keep_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read an object of `ip -j`, which names an encapsulation's "dst" and "id" as it does the route's own."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[f"encap_{key}" if key in found else key] = value
    return found
