"""`podwire top`: what the agent does, live; `top pods` and `top nodes` are in `top_cluster`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.agent.client import Status, read_status, socket_path
from podwire.commands.agent import REQUEST_COLUMNS, SocketOption, request_rows
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table
from podwire.commands.top_cluster import nodes, pods

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(invoke_without_command=True)
for command in (pods, nodes):
    app.command()(command)
    app.command(command.__name__.removesuffix("s"), hidden=True)(command)  # kubectl takes either


@app.callback()
def top(
    context: typer.Context,
    socket: SocketOption = None,
    interval: Annotated[
        float, typer.Option("--interval", "-n", help="Seconds between looks.", min=0.1)
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once; so it is where stdout is no terminal.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the agent's requests live (Ctrl-C ends it); or what pods or nodes use."""
    if context.invoked_subcommand is not None:
        return
    path = socket or socket_path()
    body = read_status(path)
    if output is Output.JSON:
        print_json(body)
    elif once or not sys.stdout.isatty():
        print_table(REQUEST_COLUMNS, request_rows(body))
    else:
        _watch(path, interval)


def _watch(path: Path, interval: float) -> None:
    from rich.live import Live

    before = read_status(path)
    with Live(_picture(before, before, interval), screen=True) as live:
        try:
            while True:
                time.sleep(interval)
                now = read_status(path)
                live.update(_picture(before, now, interval))
                before = now
        except KeyboardInterrupt:
            return


def _picture(before: Status, now: Status, interval: float) -> Table:
    """Return a table of requests, with their rates since the look before."""
    from rich.table import Table

    title = (
        f"podwire agent {now['pid']}   {now['memory'] / (1 << 20):.1f} MiB   {now['threads']} threads   "
        f"busy {now['busy']}   queue {now['queue']}   rejected {sum(now['rejected'].values())}"
    )
    table = Table(title=title, title_justify="left", expand=True)
    for column in (*REQUEST_COLUMNS, "PER SECOND"):
        table.add_column(column)
    known = {(one["verb"], one["plugin"], one["code"]): one["number"] for one in before["requests"]}
    for one, row in zip(now["requests"], request_rows(now), strict=True):
        more = one["number"] - known.get((one["verb"], one["plugin"], one["code"]), 0)
        table.add_row(*row, f"{more / interval:.1f}")
    return table
