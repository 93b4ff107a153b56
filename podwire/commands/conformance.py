"""`podwire conformance`: the suite that judges CNI plugins and runtimes, with all its own arguments."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command(
    "conformance",
    add_help_option=False,
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
)
def conformance(context: typer.Context) -> None:
    """Judge CNI plugins and runtimes by what they do: plugin, runtime, list, explain, compare, ..."""
    from conformance.command import (
        main,
    )  # it is outside the building: it can do without podwire, and we without it

    raise typer.Exit(main(context.args, "podwire conformance"))
