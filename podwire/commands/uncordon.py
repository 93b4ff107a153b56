"""`podwire uncordon`: the scheduler may use a node again."""

from __future__ import annotations

from typing import Annotated

import typer

from podwire.commands.cluster_options import LabOption, SourceOption
from podwire.commands.node_marking import mark_nodes

app = typer.Typer()


@app.command()
def uncordon(
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...")],
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Have the scheduler use nodes again."""
    mark_nodes(nodes, source, lab, is_unschedulable=False)
