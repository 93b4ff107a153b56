"""`podwire doctor`: what this machine has and lacks, what that breaks, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.options import OutputOption, RootOption
from podwire.commands.printing import Output, print_json, print_table
from podwire.doctor.verdict import State, exit_status

app = typer.Typer()

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="UDP port to try; else net-conf.json's.")]


@app.command()
def doctor(
    output: OutputOption = Output.TABLE,
    vxlan_port: Port = None,
    gpe_port: Port = None,
    root: RootOption = Path("/"),
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show what is fine, too.")] = False,
) -> None:
    """Say what this machine has and lacks for podwire, what that breaks, and what mends it.

    Status 1: podwire cannot work here; 3: something stops pods' packets; 0 otherwise. It changes nothing.
    """
    from podwire.doctor.checkup import examine
    from podwire.doctor.cluster import read_cluster
    from podwire.doctor.host_files import HostFiles

    files = HostFiles(root)
    verdicts = list(examine(read_cluster(files, vxlan_port=vxlan_port, gpe_port=gpe_port), files))
    if output is Output.JSON:
        print_json([asdict(verdict) for verdict in verdicts])
    else:
        shown = [one for one in verdicts if everything or one.state is not State.FINE]
        print_table(
            ("WHAT", "STATE", "FOUND", "WHAT IT BREAKS", "WHAT TO DO"),
            [(one.name, one.state.value, one.found, one.breaks, one.advice) for one in shown],
        )
        if hidden := len(verdicts) - len(shown):
            typer.echo(f"{hidden} of {len(verdicts)} things are fine: --all shows them")
    if status := exit_status(verdicts):
        raise typer.Exit(status)
