"""`podwire doctor`: what this machine has and lacks, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table
from podwire.doctor.verdict import State

app = typer.Typer()


@app.command()
def doctor(output: OutputOption = Output.TABLE) -> None:
    """Say what this machine has and lacks for podwire, and what to do; status 1 if it cannot work."""
    from podwire.doctor.kernel_features import look_at_kernel
    from podwire.doctor.software import look_at_software

    verdicts = [*look_at_software(), *look_at_kernel()]
    if output is Output.JSON:
        print_json([asdict(verdict) for verdict in verdicts])
    else:
        print_table(
            ("WHAT", "STATE", "FOUND", "NEEDED BY", "WHAT TO DO"),
            [(one.name, one.state.value, one.found, one.needed_by, one.advice) for one in verdicts],
        )
    if any(verdict.state is State.MISSING for verdict in verdicts):
        raise typer.Exit(1)
