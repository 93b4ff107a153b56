"""Our own layout: nodes as columns, the underlay above them, tunnels as a bus, pods below their bridge. Pure.

    segment  segment           the networks of the underlay
    =================          a bus for each mesh of tunnels
    node    node    node   services

A line leaves a node at its left for the underlay, at its right for the tunnels, and crosses no box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from podwire.map.boxes import (
    HALF,
    TITLE,
    WIDTH,
    link_box,
    mesh_box,
    more_box,
    more_services_box,
    node_box,
    row_box,
    segment_box,
    service_box,
)
from podwire.map.grouping import Row, rows_of
from podwire.map.model import Link, Map, Node
from podwire.map.picture import Box, Picture, Sheet
from podwire.map.structure import (
    Mesh,
    Segment,
    meshes_of,
    networks_of,
    parts_of,
    segments_of,
    services_by_address,
)
from podwire.map.words import tunnel_name

MARGIN, GAP, PAD = 20, 30, 14
STEP = 8  # between two boxes
COLUMN = WIDTH + 2 * PAD
PER_ROW = 5  # nodes beside each other; more are put below
MOST_LINKS = 3  # uplinks or tunnels one by one
INDENT = 22  # of pods below their bridge
BUS = 30  # height of a mesh
SERVICES_PER_COLUMN = 12


def in_columns(seen: Map, most: int) -> Picture:
    """Lay a map out; at most `most` pods at a place are boxes of their own."""
    sheet, numbers = Sheet(), services_by_address(seen)
    segments, meshes = segments_of(seen.nodes), meshes_of(seen.nodes)
    nodes = _by_segment(seen.nodes, segments)
    y: float = MARGIN
    for first in range(0, len(nodes), PER_ROW):
        row = _Row(sheet, nodes[first : first + PER_ROW], y)
        y = row.draw(segments, meshes, numbers, most) + GAP
    columns = min(len(nodes), PER_ROW)
    x = MARGIN + columns * (COLUMN + GAP)
    right, bottom = _services(sheet, seen, x, most)
    width = max(right, x - GAP) + MARGIN
    return Picture(
        width, max(y - GAP, bottom) + MARGIN, tuple(sheet.boxes), tuple(sheet.lines), tuple(sheet.labels)
    )


def _by_segment(nodes: Sequence[Node], segments: Sequence[Segment]) -> list[Node]:
    """Return the nodes so that those of a segment stand together; within it the order stays."""
    place = {name: index for index, one in reversed(list(enumerate(segments))) for name in one.nodes}
    return sorted(nodes, key=lambda node: place.get(node.name, len(segments)))


class _Row:
    """Nodes beside each other, with the segments and buses above them."""

    def __init__(self, sheet: Sheet, nodes: Sequence[Node], y: float) -> None:
        self._sheet, self._nodes, self._y = sheet, nodes, y
        self._left = {node.name: MARGIN + i * (COLUMN + GAP) for i, node in enumerate(nodes)}

    def draw(
        self,
        segments: Sequence[Segment],
        meshes: Sequence[Mesh],
        numbers: Mapping[str, tuple[int, ...]],
        most: int,
    ) -> float:
        """Put everything down and return where it ends."""
        y = self._y
        bars: dict[str, Box] = {}
        for segment in segments:
            if box := self._over(segment.nodes, segment_box(segment), y):
                bars[segment.network] = self._sheet.add(box)
                y = box.bottom + STEP
        buses: dict[tuple[str, int], float] = {}
        for mesh in meshes:
            if box := self._over(mesh.nodes, mesh_box(mesh), y):
                self._sheet.add(replace(box, x=box.x + INDENT, width=WIDTH * 0.8))  # beside the first line
                self._sheet.connect((box.x, box.middle), (box.right, box.middle), kind="bus")
                buses[mesh.name, mesh.port] = box.middle
                y = box.bottom + STEP
        y += STEP
        bottoms = [y]
        for node in self._nodes:
            column = _Column(self._sheet, node, self._left[node.name], y)
            bottoms.append(column.draw(bars, buses, numbers, most))
        return max(bottoms)

    def _over(self, names: Sequence[str], box: Box, y: float) -> Box | None:
        """Return a box above those nodes that are in this row."""
        places = [self._left[name] for name in names if name in self._left]
        if not places:
            return None
        return replace(box, x=min(places), y=y, width=max(places) + COLUMN - min(places))


class _Column:
    """One node, from its title down."""

    def __init__(self, sheet: Sheet, node: Node, x: float, y: float) -> None:
        self._sheet, self._node, self._x, self._top = sheet, node, x, y
        self._y = y + TITLE + 4

    def draw(
        self, bars: Mapping[str, Box], buses: Mapping[tuple[str, int], float],
        numbers: Mapping[str, tuple[int, ...]], most: int,
    ) -> float:  # fmt: skip
        """Put everything down and return where it ends."""
        parts = parts_of(self._node)
        place = len(self._sheet.boxes)
        self._links(parts.uplinks, parts.tunnels, bars, buses)
        for link, pods in parts.bridges:
            self._tree(link_box(link, "br", WIDTH), rows_of(pods, most), numbers)
        if parts.loose:
            head = Box(0, 0, WIDTH, TITLE, "br", "routed", aside="no bridge")
            self._tree(head, rows_of(parts.loose, most), numbers)
        if parts.others:
            self._put(more_box(parts.others, WIDTH), self._x + PAD)
        bottom = self._y + PAD - STEP
        border = replace(
            node_box(self._node), x=self._x, y=self._top, width=COLUMN, height=bottom - self._top
        )
        self._sheet.boxes.insert(place, border)  # below what is in it
        return bottom

    def _put(self, box: Box, x: float) -> Box:
        placed = self._sheet.add(replace(box, x=x, y=self._y))
        self._y = placed.bottom + STEP
        return placed

    def _links(
        self, uplinks: Sequence[Link], tunnels: Sequence[Link],
        bars: Mapping[str, Box], buses: Mapping[tuple[str, int], float],
    ) -> None:  # fmt: skip
        """Put uplinks at the left and tunnels at the right, each with its line up."""
        top, bottoms = self._y, [self._y]
        for index, link in enumerate(uplinks[:MOST_LINKS]):
            box = self._put(link_box(link, "if", HALF), self._x + PAD)
            for network in networks_of(link):
                if bar := bars.get(network):
                    x = self._x + 3 + 3 * index
                    self._sheet.connect((box.x, box.middle), (x, box.middle), (x, bar.bottom))
        self._rest(uplinks, self._x + PAD)
        bottoms.append(self._y)
        self._y = top
        known = {one.link: (tunnel_name(one), one.port) for one in self._node.tunnels}
        for index, link in enumerate(tunnels[:MOST_LINKS]):
            box = self._put(link_box(link, "tun", HALF), self._x + COLUMN - PAD - HALF)
            if (height := buses.get(known[link.name])) is not None:
                x = self._x + COLUMN - 3 - 3 * index
                self._sheet.connect((box.right, box.middle), (x, box.middle), (x, height), kind="w")
        self._rest(tunnels, self._x + COLUMN - PAD - HALF)
        self._y = max(*bottoms, self._y)

    def _rest(self, links: Sequence[Link], x: float) -> None:
        if links[MOST_LINKS:]:
            self._put(more_box(links[MOST_LINKS:], HALF), x)

    def _tree(self, head: Box, rows: Sequence[Row], numbers: Mapping[str, tuple[int, ...]]) -> None:
        """Put a bridge down with its pods below, on a comb."""
        x = self._x + PAD
        bridge = self._put(head, x)
        comb = x + INDENT / 2
        middle = bridge.bottom
        for row in rows:
            self._y -= STEP / 2
            box = self._put(row_box(row, numbers, WIDTH - INDENT), x + INDENT)
            middle = box.middle
            self._sheet.connect((comb, middle), (box.x, middle))
        if rows:
            self._sheet.connect((comb, bridge.bottom), (comb, middle))
        self._y += STEP / 2


def _services(sheet: Sheet, seen: Map, x: float, most: int) -> tuple[float, float]:
    """Put the services beside the nodes; return where they end, at the right and below."""
    y: float = MARGIN
    right = bottom = 0.0
    drawn = seen.services[: SERVICES_PER_COLUMN * 2]
    for number, service in enumerate(drawn, 1):
        box = sheet.add(replace(service_box(seen, service, number, WIDTH), x=x, y=y))
        y, right, bottom = box.bottom + STEP, box.right, max(bottom, box.bottom)
        if number % SERVICES_PER_COLUMN == 0 and number < len(drawn):
            x, y = x + WIDTH + GAP, MARGIN
    if more := seen.more_services + len(seen.services) - len(drawn):
        box = sheet.add(replace(more_services_box(more, WIDTH), x=x, y=y))
        right, bottom = box.right, max(bottom, box.bottom)
    return right, bottom
