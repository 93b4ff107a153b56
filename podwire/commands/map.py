"""`podwire map`: what is there, drawn: nodes, links, tunnels, pods, services, and who owns what."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.options import CACHE_DIR, CacheDirOption, OutputOption
from podwire.commands.printing import WIDE, Output, print_json, say

if TYPE_CHECKING:
    from podwire.map.model import Map

MOST_PODS = 12  # at one place; more are grouped by workload

app = typer.Typer()


class Layout(StrEnum):
    """Who lays a picture out."""

    AUTO = "auto"  # Graphviz where it is installed
    GRAPHVIZ = "graphviz"
    COLUMNS = "columns"  # ours: a column for each node


@app.command("map")
def draw_map(
    lab: Annotated[
        str, typer.Option("--lab", metavar="NAME", help="All nodes of a lab, not this node.")
    ] = "",
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw it as SVG; -: on standard output.")
    ] = None,
    layout: Annotated[Layout, typer.Option("--layout", help="Who lays the picture out.")] = Layout.AUTO,
    most: Annotated[
        int, typer.Option("--most", help="Pods at one place before they are grouped.", min=1)
    ] = MOST_PODS,
    cache_dir: CacheDirOption = CACHE_DIR,
    output: OutputOption = Output.TABLE,
) -> None:
    """Draw what is there, from the kernel and the registry: nodes, links, tunnels, pods, services."""
    seen = _look(lab, cache_dir)
    if svg is not None:
        _draw(seen, svg, layout, most)
    elif output is Output.JSON:
        print_json(seen.model_dump(mode="json"))
    else:
        _print(seen, most)


def _look(lab: str, cache_dir: Path) -> Map:
    from podwire.agent.client import socket_path
    from podwire.map.gathering import map_of_lab, map_of_node

    if not lab:
        return map_of_node(socket_path(), cache_dir)
    from podwire.lab.rootless import open_folder

    return map_of_lab(open_folder(lab))


def _print(seen: Map, most: int) -> None:
    from rich.console import Console

    from podwire.map.terminal import tree_of

    width = None if sys.stdout.isatty() else WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(tree_of(seen, most))


def _draw(seen: Map, svg: Path, layout: Layout, most: int) -> None:
    from podwire.map.columns import in_columns
    from podwire.map.graphviz import by_graphviz, is_installed
    from podwire.map.svg import document

    wants_graphviz = layout is Layout.GRAPHVIZ or (layout is Layout.AUTO and is_installed())
    picture = by_graphviz(seen, most) if wants_graphviz else in_columns(seen, most)
    text = document(picture)
    if str(svg) == "-":
        sys.stdout.write(text)
        return
    svg.write_text(text)
    say(f"{svg} is {picture.width:.0f} by {picture.height:.0f}")
