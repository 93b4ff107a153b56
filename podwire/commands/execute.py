"""`podwire exec`: run a program in a container."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from podwire.commands.cluster_options import ContainerOption, LabOption, NamespaceOption, SourceOption
from podwire.commands.printing import say

app = typer.Typer()


@app.command()
def execute(
    pod: Annotated[str, typer.Argument(metavar="POD | KIND/NAME", help="web, deploy/web, svc/web.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="What is run.")],
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="It reads what we read.")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="On a terminal.")] = False,
    container: ContainerOption = "",
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Run a program in a container; its exit code is ours."""
    from pod_runner.cluster.bodies import text
    from podwire.cluster import streaming
    from podwire.cluster.finding import room_of
    from podwire.cluster.sought import container_of, seek
    from podwire.cluster.where import find_place

    place = find_place(source, lab)
    (found,) = seek(place, pod, namespace).pods
    name = text(container_of(found, container), "name")
    path = room_of(place, found).socket(found)
    if tty and not sys.stdin.isatty():
        say("there is no terminal to use: the input is none")
        tty = False
    if tty and stdin:
        raise typer.Exit(streaming.execute_in_terminal(path, name, command))
    raise typer.Exit(streaming.execute(path, name, command, is_interactive=stdin))
