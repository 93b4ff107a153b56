"""`podwire cordon`: nothing new comes onto a node."""

from __future__ import annotations

from typing import Annotated

import typer

from podwire.commands.cluster_options import LabOption, SourceOption
from podwire.commands.node_marking import mark_nodes

app = typer.Typer()


@app.command()
def cordon(
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...")],
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Have the scheduler leave nodes out; what runs there goes on."""
    mark_nodes(nodes, source, lab, is_unschedulable=True)
