"""Pictures are well-formed, their boxes apart from each other, and no name breaks out of its place."""

from __future__ import annotations

import io
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from podwire.map.columns import in_columns
from podwire.map.graphviz import by_graphviz, is_installed
from podwire.map.grouping import rows_of, workload_of
from podwire.map.model import Link, Map, Node
from podwire.map.picture import Box, Picture
from podwire.map.svg import document
from podwire.map.terminal import tree_of
from tests.map.made import made_map, made_pod

HOSTILE = "\x1b]0;</text><script>\x9b31m\u202e&\"'\ud800\0"
MOST = 12


def _overlaps(picture: Picture) -> list[tuple[str, str]]:
    """Return the boxes that lie over each other, but for those within a node's border."""
    return [
        (one.title, other.title) for one, other in combinations(picture.boxes, 2)
        if _touch(one, other) and not _holds(one, other) and not _holds(other, one)
    ]  # fmt: skip


def _touch(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


def _holds(one: Box, other: Box) -> bool:
    within = one.x <= other.x and one.y <= other.y and other.right <= one.right and other.bottom <= one.bottom
    return within and one.kind == "ns" != other.kind


def _is_on_paper(picture: Picture) -> bool:
    return all(
        min(box.x, box.y) >= 0 and box.right <= picture.width and box.bottom <= picture.height
        for box in picture.boxes
    )


def _printed(seen: Map, *, is_terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=200, highlight=False, force_terminal=is_terminal).print(tree_of(seen, MOST))
    return out.getvalue()


@settings(max_examples=40)
@given(st.integers(0, 12), st.integers(0, 14), st.integers(0, 30), st.integers(0, 5))
def test_boxes_of_our_layout_never_overlap(nodes: int, pods: int, services: int, uplinks: int) -> None:
    picture = in_columns(made_map(nodes, pods, services, uplinks=uplinks), MOST)
    assert _overlaps(picture) == []
    assert _is_on_paper(picture)


@pytest.mark.parametrize(("nodes", "pods"), [(3, 10), (10, 20)])
def test_every_pod_is_in_the_picture_alone_or_counted(nodes: int, pods: int) -> None:
    picture = in_columns(made_map(nodes, pods), MOST)
    rows = [box for box in picture.boxes if box.kind == "if" and not box.lines]
    if pods <= MOST:
        assert len(rows) == nodes * pods
    else:
        assert [box.title for box in rows] == [f"pod ×{pods}"] * nodes
    root = ElementTree.fromstring(document(picture))
    assert len(root.findall("{*}g")) == len(picture.boxes)
    assert picture.width < 2200 and picture.height < 1500, "it fits a screen, or two"


@pytest.mark.skipif(not is_installed(), reason="Graphviz is not installed")
@pytest.mark.parametrize(("nodes", "pods"), [(0, 0), (1, 0), (3, 10), (10, 20)])
def test_graphviz_lays_the_same_boxes_out(nodes: int, pods: int) -> None:
    seen = made_map(nodes, pods)
    picture = by_graphviz(seen, MOST)
    assert _overlaps(picture) == []
    ours = in_columns(seen, MOST)
    assert sorted({box.title for box in picture.boxes}) == sorted({box.title for box in ours.boxes})
    ElementTree.fromstring(document(picture))


def _hostile_map() -> Map:
    seen = made_map(2, 2, name=HOSTILE)
    link = Link(name=HOSTILE, kind=HOSTILE, mac="", mtu=1, is_up=True, state=HOSTILE, owner=HOSTILE)
    nodes = tuple(
        node.model_copy(update={"name": HOSTILE, "links": (*node.links, link), "remarks": (HOSTILE,)})
        for node in seen.nodes
    )
    services = tuple(one.model_copy(update={"name": HOSTILE, "type": HOSTILE}) for one in seen.services)
    return seen.model_copy(update={"nodes": nodes, "services": services, "title": HOSTILE})


def test_a_name_breaks_neither_a_terminal_nor_a_document() -> None:
    seen = _hostile_map()
    text = document(in_columns(seen, MOST))
    root = ElementTree.fromstring(text)
    assert root.find(".//{*}script") is None
    for said in (text, _printed(seen)):
        assert all(one.isprintable() or one == "\n" for one in said)
    assert "\\x1b]0;" in text and "\\ud800" in text


def test_colour_is_for_terminals() -> None:
    assert "\x1b[" not in _printed(made_map(2, 2))
    assert "\x1b[" in _printed(made_map(2, 2), is_terminal=True)


def test_pods_of_a_workload_are_counted_together() -> None:
    names = [f"default/web-7d9c5b8f4-x2x{letter}p" for letter in "abcdefgh"] + [
        "default/db-0",
        "default/db-1",
    ]
    pods = [made_pod(1, number, "").model_copy(update={"name": name}) for number, name in enumerate(names)]
    assert [row.name for row in rows_of(pods, 10)] == names
    assert [row.name for row in rows_of(pods, 9)] == ["default/web ×8", "default/db ×2"]
    assert [row.name for row in rows_of(pods, 1)] == ["default/web ×8", "others ×2"]
    assert workload_of("web") == "web" and workload_of("12") == "12"


def test_a_node_with_nothing_is_drawn() -> None:
    seen = Map(title="x", nodes=(Node(name="empty"),))
    assert "node empty" in _printed(seen)
    assert [box.title for box in in_columns(seen, MOST).boxes] == ["empty"]
