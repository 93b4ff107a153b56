"""`podwire lint`: what is wrong with a configuration or a manifest, before a container finds out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json
from podwire.lint.findings import Finding, Severity

app = typer.Typer(no_args_is_help=True)


@app.command()
def lint(
    files: Annotated[list[Path], typer.Argument(help="Configuration lists, configurations, manifests.")],
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    uplink_mtu: Annotated[
        int, typer.Option("--uplink-mtu", help="MTU (bytes) of the way out; -1: this machine's, 0: unknown.")
    ] = -1,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find what is wrong with configurations and manifests: one line each; status 1 if one is an error."""
    from podwire.lint.linting import lint as findings_of

    mtu = _machines_mtu() if uplink_mtu < 0 else uplink_mtu or None
    findings = [finding for file in files for finding in findings_of(file, uplink_mtu=mtu)]
    if output is Output.JSON:
        print_json([_as_json(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(str(finding))
    if any(strict or finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


def _machines_mtu() -> int | None:
    """Return the MTU of the default route's interface; a machine without one has no opinion."""
    from cni_plugins.interface import uplink_mtu
    from linuxnet.kernel import Kernel

    with Kernel() as kernel:
        return uplink_mtu(kernel)


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "file": str(finding.file),
        "line": finding.spot.line,
        "column": finding.spot.column,
        "severity": finding.severity.value,
        "msg": finding.sentence,
    }
