"""`podwire bundle`: one archive for a bug report."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.options import OutputOption, RootOption
from podwire.commands.printing import Output, print_json, say

app = typer.Typer()


@app.command()
def bundle(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; must not exist yet.")] = None,
    output: OutputOption = Output.TABLE,
    root: RootOption = Path("/"),
) -> None:
    """Write one .tar.gz for a bug report: versions, configuration, kernel dumps, verdicts, logs; no secrets.

    It changes nothing, needs no agent, and takes from an ordinary user what that user may see.
    """
    from podwire.bundle.archive import write_bundle
    from podwire.bundle.parts import list_parts

    path = (file or Path(_usual_name())).absolute()
    entries = write_bundle(path, list_parts(root), os.environ, say)
    problems = [entry for entry in entries if entry.problem]
    if output is Output.JSON:
        print_json({"file": str(path), "problems": [vars(entry) for entry in problems]})
        return
    if problems:
        say(f"{len(problems)} of {len(entries)} parts are missing or incomplete: manifest.json says why")
    typer.echo(path)


def _usual_name() -> str:
    return f"podwire-bundle-{os.uname().nodename}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
