"""The things of a map as boxes that have no place yet: both layouts put the same ones down. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from podwire.map.grouping import Row
from podwire.map.model import Link, Map, Node, Service
from podwire.map.picture import Box
from podwire.map.structure import Mesh, Segment, who_answers
from podwire.map.words import counted, link_facts, node_facts, plain, state_of

WIDTH, HALF = 300, 145  # of a bridge or service, of an uplink or tunnel
TITLE, TEXT = 34, 19  # height of a title, of a line below it
POD_HEIGHT = 26
TIP_LINES = 20


def node_box(node: Node) -> Box:
    """Return a node's border, with its name."""
    return Box(0, 0, 0, 0, "ns", plain(node.name), aside=node_facts(node), is_wrong=not node.has_agent)


def segment_box(segment: Segment) -> Box:
    """Return a network of the underlay."""
    return Box(0, 0, WIDTH, TITLE, "ul", segment.network, aside=counted(len(segment.nodes), "node"))


def mesh_box(mesh: Mesh) -> Box:
    """Return what tunnels of one kind are together."""
    return Box(0, 0, WIDTH, TITLE, "tun", mesh.name, aside=f"UDP {mesh.port}")


def link_box(link: Link, kind: str, width: float) -> Box:
    """Return a link with its first address."""
    first = link.addresses[0] if link.addresses else f"mtu {link.mtu}"
    line = state_of(link) or first
    tip = f"{plain(link.name)}  {link_facts(link)}"
    box = Box(0, 0, width, TITLE + TEXT - 3, kind, plain(link.name), (line,), tip=tip)
    return replace(box, is_wrong=bool(state_of(link)))


def more_box(links: Iterable[Link], width: float) -> Box:
    """Return one box for links there is no room for."""
    names = [plain(link.name) for link in links]
    return Box(0, 0, width, TITLE, "ul", f"{len(names)} more", tip=" ".join(names))


def row_box(row: Row, numbers: Mapping[str, tuple[int, ...]], width: float) -> Box:
    """Return a pod, or several, with the numbers of the services that lead there."""
    found = {one for pod in row.pods for address in pod.addresses for one in numbers.get(address, ())}
    tip = f"{plain(row.name)}  {row.facts}"
    address = plain(row.address)
    return Box(
        0, 0, width, POD_HEIGHT, "if", plain(row.name), (), address, tuple(sorted(found)), tip,
        any(pod.state in ("Failed", "Unknown") for pod in row.pods),
    )  # fmt: skip


def service_box(seen: Map, service: Service, number: int, width: float) -> Box:
    """Return a service with its number."""
    answering = who_answers(seen, service)
    ready = sum(is_ready for _, _, is_ready in answering)
    reach = " ".join(filter(None, (service.type, *service.addresses[:1])))
    lines = (reach, *service.ports, f"{ready} of {counted(len(answering), 'back end')} ready")
    tip = "\n".join(plain(f"{name} {address}") for name, address, _ in answering[:TIP_LINES])
    return Box(
        0, 0, width, TITLE + TEXT * len(lines), "svc", plain(service.title), tuple(map(plain, lines)), "",
        (number,), tip, bool(answering) and not ready,
    )  # fmt: skip


def more_services_box(number: int, width: float) -> Box:
    """Return one box for services there is no room for."""
    return Box(0, 0, width, TITLE, "ul", f"and {counted(number, 'more service')}")
