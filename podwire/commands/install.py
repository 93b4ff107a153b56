"""`podwire install`: put the plugins where runtimes look for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.options import CONF_DIR, OutputOption
from podwire.commands.printing import Output, print_json, say
from podwire.install.actions import Action
from podwire.install.launchers import Kind, choose, launcher

DEFAULT_DIRECTORY = Path("/opt/cni/bin")
UNIT_DIRECTORY = Path("/etc/systemd/system")

ToOption = Annotated[Path, typer.Option("--to", help="The directory of plugins.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

app = typer.Typer()


@app.command()
def install(
    to: ToOption = DEFAULT_DIRECTORY,
    conflist: Annotated[
        str,
        typer.Option(
            "--conflist",
            help="Put a configuration in place too: bridge, ptp, podman, overlay, or the path of your own.",
        ),
    ] = "",
    conf_dir: Annotated[Path, typer.Option("--conf-dir", help="Where the configuration goes.")] = CONF_DIR,
    force: Annotated[
        bool, typer.Option("--force", help="Replace other projects' files; they are kept beside.")
    ] = False,
    kind: Annotated[
        Kind, typer.Option("--launcher", help="What is put there; C where the package was built with it.")
    ] = Kind.AUTO,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Put the units of the node agent in place too.")
    ] = False,
    runner: Annotated[
        bool, typer.Option("--runner", help="With --systemd: let the agent run pods, as \\[runner] says.")
    ] = False,
    unit_dir: Annotated[Path, typer.Option("--unit-dir", help="Where the units go.")] = UNIT_DIRECTORY,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put one executable per plugin into a directory. Doing it again changes nothing."""
    from cni_plugins.registry import PLUGIN_TYPES
    from podwire.install.compiled import compile_packages
    from podwire.install.manifest import read_manifest, write_manifest
    from podwire.install.planning import chosen_list, plan_install
    from podwire.install.units import RUNNER, runner_drop_in, units

    to, conf_dir = to.absolute(), conf_dir.absolute()
    wanted = {to / name: (launcher(name, kind=kind), 0o755) for name in PLUGIN_TYPES}
    if conflist:
        name, data = chosen_list(conflist)
        wanted[conf_dir / name] = (data, 0o644)
    if systemd:
        wanted |= {unit_dir.absolute() / name: (text, 0o644) for name, text in units().items()}
    if systemd and runner:
        drop_in = unit_dir.absolute() / RUNNER
        if not dry_run and unit_dir.is_dir():
            drop_in.parent.mkdir(exist_ok=True)
        wanted[drop_in] = (runner_drop_in(), 0o644)
    if kind is Kind.AUTO and choose(kind) is Kind.PYTHON:
        say("the launchers are Python's: the C one was not built (gcc and libc6-dev were not there)")
    actions, manifest = plan_install(wanted, read_manifest(to), force=force)
    if not dry_run:
        write_manifest(manifest)
        compile_packages()
    carry_out(actions, output, dry_run=dry_run)
    if systemd and not dry_run:
        say("systemctl daemon-reload && systemctl enable --now podwire-agent.socket starts the agent")


def carry_out(actions: Iterable[Action], output: Output, *, dry_run: bool) -> None:
    """Apply actions unless it is a rehearsal, and print them."""
    done = []
    for action in actions:
        if not dry_run:
            action.apply()
        done.append(str(action))
        if output is Output.TABLE:
            typer.echo(str(action))
    if output is Output.JSON:
        print_json({"actions": done, "dryRun": dry_run})
