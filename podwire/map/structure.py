"""What follows from a map: what a link is for, who shares a segment, who a service leads to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from podwire.map.model import Link, Map, Node, Pod, Service
from podwire.map.words import tunnel_name


@dataclass(frozen=True)
class Parts:
    """A node's links by what they are for. `loose` pods hang on no bridge: routed, or their link has gone.

    `others` have no address and no pod: of other programs, or of pods of other runtimes.
    """

    uplinks: tuple[Link, ...]
    tunnels: tuple[Link, ...]
    bridges: tuple[tuple[Link, tuple[Pod, ...]], ...]
    loose: tuple[Pod, ...]
    others: tuple[Link, ...]


@dataclass(frozen=True)
class Segment:
    """A network of the underlay, and the nodes that have an uplink in it."""

    network: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Mesh:
    """Tunnels of one kind, number and port: all nodes that have one are each other's neighbours."""

    name: str
    port: int
    nodes: tuple[str, ...]


def parts_of(node: Node) -> Parts:
    """Sort a node's links and pods."""
    tunnels = {one.link for one in node.tunnels}
    pods_links = {one.host_link for pod in node.pods for one in pod.attachments}
    bridges = [link for link in node.links if link.kind == "bridge"]
    on_bridge = {link.name: link.master for link in node.links if link.master}
    rest = [
        link for link in node.links
        if link.kind != "bridge" and link.name not in tunnels | pods_links
    ]  # fmt: skip
    uplinks = [link for link in rest if link.addresses and not link.master]
    return Parts(
        uplinks=tuple(uplinks),
        tunnels=tuple(link for link in node.links if link.name in tunnels),
        bridges=tuple((one, tuple(_pods_at(node, one.name, on_bridge))) for one in bridges),
        loose=tuple(_pods_at(node, "", on_bridge)),
        others=tuple(link for link in rest if link not in uplinks),
    )


def segments_of(nodes: Sequence[Node]) -> tuple[Segment, ...]:
    """Return the networks that the nodes' uplinks are in."""
    members: dict[str, list[str]] = {}
    for node in nodes:
        for network in {network for link in parts_of(node).uplinks for network in networks_of(link)}:
            members.setdefault(network, []).append(node.name)
    return tuple(Segment(network, tuple(members[network])) for network in sorted(members))


def networks_of(link: Link) -> tuple[str, ...]:
    """Return the networks of a link's addresses; one address alone is no network."""
    networks = (ip_interface(address).network for address in link.addresses)
    return tuple(str(one) for one in networks if one.prefixlen < one.max_prefixlen)


def meshes_of(nodes: Sequence[Node]) -> tuple[Mesh, ...]:
    """Return the meshes that the nodes' tunnels are."""
    members: dict[tuple[str, int], list[str]] = {}
    for node in nodes:
        for tunnel in node.tunnels:
            there = members.setdefault((tunnel_name(tunnel), tunnel.port), [])
            there += [node.name] if node.name not in there else []
    return tuple(Mesh(*key, tuple(found)) for key, found in sorted(members.items()))


def services_by_address(seen: Map) -> dict[str, tuple[int, ...]]:
    """Return the numbers, from 1, of the services that lead to an address."""
    found: dict[str, list[int]] = {}
    for number, service in enumerate(seen.services, 1):
        for address in {one.address for one in service.back_ends if one.is_ready}:
            found.setdefault(address, []).append(number)
    return {address: tuple(numbers) for address, numbers in found.items()}


def pod_of(seen: Map, address: str) -> tuple[Node, Pod] | None:
    """Return who has an address."""
    return next(((node, pod) for node in seen.nodes for pod in node.pods if address in pod.addresses), None)


def who_answers(seen: Map, service: Service) -> list[tuple[str, str, bool]]:
    """Return whom a service leads to: where, at which address, and whether it is ready."""
    found = []
    for one in service.back_ends:
        there = pod_of(seen, one.address)
        name = f"{there[0].name}/{there[1].name}" if there else "/".join(filter(None, (one.node, one.pod)))
        found.append((name or "nobody here", one.address, one.is_ready))
    return found


def _pods_at(node: Node, bridge: str, on_bridge: dict[str, str]) -> list[Pod]:
    """Return the pods whose first attachment is on a bridge; "": on none."""
    return [
        pod for pod in node.pods
        if on_bridge.get(pod.attachments[0].host_link if pod.attachments else "", "") == bridge
    ]  # fmt: skip
