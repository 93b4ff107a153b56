"""`podwire agent`: be the node agent; `podwire agent status`: ask the one that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from podwire.agent.client import Status, read_status, socket_path
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table, say

app = typer.Typer(help="Run the node agent, which answers the plugins' calls from a process that is there.")

SocketOption = Annotated[
    Path | None, typer.Option("--socket", help="Where launchers look for it.", envvar="PODWIRE_SOCKET")
]


@app.callback(invoke_without_command=True)
def agent(
    context: typer.Context,
    socket: SocketOption = None,
    idle: Annotated[
        float, typer.Option("--idle", help="Leave after so many seconds without a request; 0: stay.", min=0)
    ] = 0,
    background: Annotated[
        bool, typer.Option("--background", help="As a launcher starts it: idle as agent.toml says, quietly.")
    ] = False,
) -> None:
    """Run the agent in the foreground, until SIGTERM; systemd's socket is used if it passes one."""
    if context.invoked_subcommand is not None:
        return
    from podwire.agent.lifecycle import AlreadyRunning, run_agent
    from podwire.agent.settings import read_settings

    settings = read_settings()
    try:
        run_agent(socket or socket_path(), settings, idle=settings.agent.idle if background else idle)
    except AlreadyRunning as reason:
        if not background:
            say(str(reason))
            raise typer.Exit(1) from None


@app.command()
def status(socket: SocketOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the agent's state: since when, how many requests, how long they took; status 1 if none runs."""
    body = read_status(socket or socket_path())
    if output is Output.JSON:
        print_json(body)
        return
    facts = ("pid", "version", "uptime", "busy", "queue", "stuck", "memory", "descriptors", "threads")
    print_table(("WHAT", "VALUE"), [(one, _fact(one, body[one])) for one in facts])
    print_table(REQUEST_COLUMNS, request_rows(body))


REQUEST_COLUMNS = ("VERB", "PLUGIN", "CODE", "NUMBER", "MEAN ms", "HALF UNDER ms", "99% UNDER ms")


def request_rows(body: Status) -> list[tuple[str, ...]]:
    """Return a status's requests as lines of a table."""
    return [
        (one["verb"], one["plugin"], str(one["code"]), str(one["number"]),
         *(_milliseconds(one[key]) for key in ("mean", "p50", "p99")))
        for one in body["requests"]
    ]  # fmt: skip


def _fact(name: str, value: object) -> str:
    if name == "memory" and isinstance(value, int):
        return f"{value / (1 << 20):.1f} MiB"
    return f"{value} s" if name == "uptime" else str(value)


def _milliseconds(seconds: float | None) -> str:
    return "more" if seconds is None else f"{seconds * 1000:.3g}"
