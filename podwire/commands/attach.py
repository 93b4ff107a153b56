"""`podwire attach`: the streams of a container's own program."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from podwire.commands.cluster_options import ContainerOption, LabOption, NamespaceOption, SourceOption
from podwire.commands.printing import say

app = typer.Typer()


@app.command()
def attach(
    pod: Annotated[str, typer.Argument(metavar="POD | KIND/NAME", help="web, deploy/web, svc/web.")],
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="It reads what we read.")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="Our terminal is its terminal.")] = False,
    container: ContainerOption = "",
    namespace: NamespaceOption = "default",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Attach to a container's program; Ctrl-P Ctrl-Q lets go of its terminal, Ctrl-C of its output."""
    from pod_runner.cluster.bodies import is_true, text
    from podwire.cluster import streaming
    from podwire.cluster.finding import room_of
    from podwire.cluster.sought import container_of, seek
    from podwire.cluster.where import find_place

    place = find_place(source, lab)
    (found,) = seek(place, pod, namespace).pods
    wanted = container_of(found, container)
    if stdin and not is_true(wanted, "stdin"):
        say(f"container {text(wanted, 'name')} reads nothing: its manifest does not say stdin: true")
    has_terminal = tty and stdin and sys.stdin.isatty() and is_true(wanted, "tty")
    if tty and not has_terminal:
        say("there is no terminal to use: neither ours nor the container's may be missing")
    path = room_of(place, found).socket(found)
    code = streaming.attach(path, text(wanted, "name"), is_interactive=stdin, has_terminal=has_terminal)
    raise typer.Exit(code)
