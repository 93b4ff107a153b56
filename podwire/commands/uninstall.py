"""`podwire uninstall`: take away what `podwire install` put there, and nothing else."""

from __future__ import annotations

import typer

from podwire.commands.install import DEFAULT_DIRECTORY, DryRunOption, ToOption, carry_out
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output

app = typer.Typer()


@app.command()
def uninstall(
    to: ToOption = DEFAULT_DIRECTORY,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove the plugins from a directory; files that were there before come back as they were."""
    from podwire.install.manifest import Manifest, read_manifest, write_manifest
    from podwire.install.planning import plan_uninstall

    known = read_manifest(to.absolute())
    carry_out(plan_uninstall(known), output, dry_run=dry_run)
    if not dry_run:
        write_manifest(Manifest(known.directory, {}))
