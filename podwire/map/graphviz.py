"""Layout by Graphviz's dot, where it is installed: it says where things stand, our own drawing how they look.

From left to right: the underlay, uplinks and tunnels, bridges, pods, services with lines to their back ends.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cni_spec.errors import IO_FAILURE, MISSING_TOOL, CniError
from podwire.map.boxes import (
    HALF,
    WIDTH,
    link_box,
    mesh_box,
    more_services_box,
    node_box,
    row_box,
    segment_box,
    service_box,
)
from podwire.map.grouping import Row, rows_of
from podwire.map.model import Map, Node
from podwire.map.picture import Box, Line, Picture, Point
from podwire.map.structure import meshes_of, networks_of, parts_of, segments_of
from podwire.map.words import tunnel_name

DOT = "dot"
DEADLINE = 60.0  # seconds; a map of 10 nodes with 20 pods each takes half of one
MARGIN = 20
MOST_SERVICES = 24


@dataclass
class _Graph:
    """What dot is asked: boxes by their number, which of them are within which border, and lines."""

    boxes: list[Box] = field(default_factory=list)
    borders: list[tuple[Box, list[int]]] = field(default_factory=list)
    edges: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, box: Box, border: list[int] | None = None) -> int:
        self.boxes.append(box)
        if border is not None:
            border.append(len(self.boxes) - 1)
        return len(self.boxes) - 1

    def source(self) -> str:
        """Return dot's language; all that it is told are numbers of ours (no name could mislead it)."""
        lines = [
            "digraph {",
            'rankdir=LR; ordering=out; nodesep=0.08; ranksep=0.6; node [shape=box fixedsize=true label=""];',
        ]
        lines += ["edge [dir=none];"]
        for number, box in enumerate(self.boxes):
            lines.append(f"n{number} [width={box.width / 72:.4f} height={box.height / 72:.4f}];")
        for number, (_, members) in enumerate(self.borders):
            inside = " ".join(f"n{one};" for one in members)
            lines.append(
                f'subgraph cluster_{number} {{ margin=14; label=" "; labelloc=t; fontsize=20; {inside} }}'
            )
        lines += [f'n{one} -> n{other} [class="{kind}"];' for one, other, kind in self.edges]
        return "\n".join([*lines, "}"])


def is_installed() -> bool:
    """Tell whether Graphviz is there."""
    return shutil.which(DOT) is not None


def by_graphviz(seen: Map, most: int) -> Picture:
    """Lay a map out. Raises CniError: 107 without Graphviz, 5 where it fails."""
    graph = _graph_of(seen, most)
    return _placed(graph, _ask(graph.source()))


def _graph_of(seen: Map, most: int) -> _Graph:
    graph = _Graph()
    segments = {one.network: graph.add(segment_box(one)) for one in segments_of(seen.nodes)}
    meshes = {(one.name, one.port): graph.add(mesh_box(one)) for one in meshes_of(seen.nodes)}
    at: dict[str, list[int]] = {}
    for node in seen.nodes:
        for row, number in _node(graph, node, segments, meshes, most):
            for address in (address for pod in row.pods for address in pod.addresses):
                at.setdefault(address, []).append(number)
    for number, service in enumerate(seen.services[:MOST_SERVICES], 1):
        box = graph.add(service_box(seen, service, number, WIDTH))
        ends = {one for end in service.back_ends if end.is_ready for one in at.get(end.address, ())}
        graph.edges += [(one, box, "to") for one in sorted(ends)]
    if more := seen.more_services + len(seen.services[MOST_SERVICES:]):
        graph.add(more_services_box(more, WIDTH))
    return graph


def _node(
    graph: _Graph, node: Node, segments: dict[str, int], meshes: dict[tuple[str, int], int], most: int
) -> Iterator[tuple[Row, int]]:
    """Add a node; yield its rows of pods with their numbers."""
    members: list[int] = []
    graph.borders.append((node_box(node), members))
    parts = parts_of(node)
    known = {one.link: meshes[tunnel_name(one), one.port] for one in node.tunnels}
    doors = []
    for link in parts.uplinks:
        doors.append(graph.add(link_box(link, "if", HALF), members))
        graph.edges += [(segments[one], doors[-1], "") for one in networks_of(link)]
    for link in parts.tunnels:
        doors.append(graph.add(link_box(link, "tun", HALF), members))
        graph.edges.append((known[link.name], doors[-1], "w"))
    heads = [(link_box(link, "br", HALF * 1.3), pods) for link, pods in parts.bridges]
    heads += [(Box(0, 0, HALF, 34, "br", "routed"), parts.loose)] if parts.loose else []
    for head, pods in heads:
        place = graph.add(head, members)
        graph.edges += [(door, place, "") for door in doors]
        for row in rows_of(pods, most):
            number = graph.add(row_box(row, {}, WIDTH), members)
            graph.edges.append((place, number, ""))
            yield row, number
    if not members:  # a cluster of dot's needs somebody
        graph.add(Box(0, 0, HALF, 34, "ul", "no links"), members)


def _ask(source: str) -> Any:
    try:
        done = subprocess.run(
            [DOT, "-Tjson0"], input=source, text=True, capture_output=True, timeout=DEADLINE, check=False
        )
    except FileNotFoundError as error:
        raise CniError(MISSING_TOOL, "Graphviz is not here: install graphviz, or --layout columns") from error
    except subprocess.TimeoutExpired as error:
        raise CniError(
            IO_FAILURE, f"dot has not ended within {DEADLINE:.0f} s: try --layout columns"
        ) from error
    if done.returncode != 0:
        raise CniError(IO_FAILURE, f"dot ended with {done.returncode}", done.stderr.strip()[:2000])
    return json.loads(done.stdout)


def _placed(graph: _Graph, said: Any) -> Picture:
    """Return the boxes where dot has put them. Its y grows upwards, from the lower left corner."""
    _, _, right, top = _numbers(said["bb"])

    def turned(x: float, y: float) -> Point:
        return x + MARGIN, top - y + MARGIN

    boxes: list[Box] = []
    borders: list[Box] = []
    for one in said.get("objects", ()):
        if one["name"].startswith("cluster_"):
            x1, y1, x2, y2 = _numbers(one["bb"])
            x, y = turned(x1, y2)
            border = graph.borders[int(one["name"].removeprefix("cluster_"))][0]
            borders.append(replace(border, x=x, y=y, width=x2 - x1, height=y2 - y1))
        else:
            box = graph.boxes[int(one["name"][1:])]
            x, y = turned(*_numbers(one["pos"]))
            boxes.append(replace(box, x=x - box.width / 2, y=y - box.height / 2))
    lines = [
        Line(
            tuple(turned(*_numbers(one)) for one in edge["pos"].split()), edge.get("class", ""), is_curve=True
        )
        for edge in said.get("edges", ())
    ]
    return Picture(right + 2 * MARGIN, top + 2 * MARGIN, (*borders, *boxes), tuple(lines))


def _numbers(text: str) -> Sequence[float]:
    return [float(one) for one in text.split(",")]
