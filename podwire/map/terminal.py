"""A map as a tree of lines, for a terminal, a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from podwire.map.grouping import Row, rows_of
from podwire.map.model import Link, Map, Node, Service
from podwire.map.structure import Segment, meshes_of, parts_of, segments_of, who_answers
from podwire.map.words import counted, link_facts, node_facts, plain, service_facts, state_of, way_facts

# The colours of our pictures (drawing.STYLE), as a terminal has them
NODE, BRIDGE, POD, TUNNEL, UPLINK, SERVICE = "bold", "blue", "green", "yellow", "cyan", "magenta"
QUIET, WRONG = "dim", "red"
MOST_WAYS = 20  # lines; a cluster of hundreds is counted


def tree_of(seen: Map, most: int) -> RenderableType:
    """Return the whole; `most` pods at a place are listed one by one, more by groups."""
    whole = Tree(Text(plain(seen.title), NODE), guide_style=QUIET)
    for segment in segments_of(seen.nodes):
        _branch(whole, "segment", segment.network, _members(segment), UPLINK)
    for mesh in meshes_of(seen.nodes):
        _branch(whole, "tunnels", mesh.name, f"UDP {mesh.port}  {' '.join(map(plain, mesh.nodes))}", TUNNEL)
    for node in seen.nodes:
        _add_node(whole, node, most)
    for service in seen.services:
        _add_service(whole, seen, service, most)
    if seen.more_services:
        whole.add(Text(f"and {counted(seen.more_services, 'more service')}", QUIET))
    remarks = [*seen.remarks, *(f"{one.name}: {said}" for one in seen.nodes for said in one.remarks)]
    return Group(whole, *(Text(plain(one), WRONG) for one in remarks))


def _members(segment: Segment) -> str:
    return " ".join(map(plain, segment.nodes))


def _add_node(whole: Tree, node: Node, most: int) -> None:
    at = _branch(whole, "node", node.name, node_facts(node), NODE)
    parts = parts_of(node)
    for link in parts.uplinks:
        _add_link(at, "uplink", link, UPLINK)
    for link in parts.tunnels:
        tunnel = _add_link(at, "tunnel", link, TUNNEL)
        _add_ways(tunnel, [way_facts(way) for way in node.ways if way.link == link.name])
    tunnels = {link.name for link in parts.tunnels}
    _add_ways(at, [f"{way_facts(way)}, plain" for way in node.ways if way.link not in tunnels])
    for link, pods in parts.bridges:
        _add_rows(_add_link(at, "bridge", link, BRIDGE), rows_of(pods, most))
    _add_rows(at, rows_of(parts.loose, most))
    if parts.others:
        names = " ".join(plain(link.name) for link in parts.others)
        at.add(Text(f"other links: {names}", QUIET))


def _add_link(at: Tree, word: str, link: Link, colour: str) -> Tree:
    return _branch(at, word, link.name, link_facts(link), WRONG if state_of(link) else colour)


def _add_ways(at: Tree, lines: list[str]) -> None:
    for line in lines[:MOST_WAYS]:
        at.add(Text(line))
    if len(lines) > MOST_WAYS:
        at.add(Text(f"and {counted(len(lines) - MOST_WAYS, 'more way')}", QUIET))


def _add_rows(at: Tree, rows: Iterable[Row]) -> None:
    for row in rows:
        _branch(at, "pods" if row.count > 1 else "pod", row.name, row.facts, POD)


def _add_service(whole: Tree, seen: Map, service: Service, most: int) -> None:
    at = _branch(whole, "service", service.title, service_facts(service), SERVICE)
    answering = list(_answers(seen, service))
    for line in answering[:most]:
        at.add(line)
    if len(answering) > most:
        at.add(Text(f"and {counted(len(answering) - most, 'more back end')}", QUIET))


def _answers(seen: Map, service: Service) -> Iterator[Text]:
    for name, address, is_ready in who_answers(seen, service):
        yield Text(plain(f"{name}  {address}"), POD) + Text("" if is_ready else "  not ready", WRONG)


def _branch(at: Tree, word: str, name: str, facts: str, colour: str) -> Tree:
    line = Text(f"{word} ", QUIET) + Text(plain(name), colour)
    return at.add(line + Text(f"  {facts}" if facts else ""))
