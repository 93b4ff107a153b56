"""`podwire`: the command line. Commands are modules that are imported when they are asked for."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command as command_of

from podwire.commands.failing import foreseen, print_failure
from podwire.commands.options import chosen_output

# panel of --help -> command -> the module whose `app` it is; what is not installed is not offered
PANELS = {
    "Plugins": {
        "cni": "podwire.commands.cni",
        "schema": "podwire.commands.schema",
        "lint": "podwire.commands.lint",
        "explain": "podwire.commands.explain",
        "inspect": "podwire.commands.inspect",
        "map": "podwire.commands.map",
        "conformance": "podwire.commands.conformance",
        "ipam": "podwire.ipam_commands",
    },
    "This node": {
        "install": "podwire.commands.install",
        "uninstall": "podwire.commands.uninstall",
        "doctor": "podwire.commands.doctor",
        "bundle": "podwire.commands.bundle",
        "agent": "podwire.commands.agent",
        "top": "podwire.commands.top",
        "overlay": "podwire.commands.overlay",
        "proxy": "podwire.commands.proxy",
        "dns": "podwire.commands.dns",
        "service": "podwire.commands.service",
        "pod": "podwire.commands.pod",
        "image": "podwire.commands.image",
        "resolve": "podwire.commands.resolve",
    },
    "A cluster: what there is (the words are kubectl's)": {
        "get": "podwire.commands.get",
        "describe": "podwire.commands.describe",
        "events": "podwire.commands.events",
        "logs": "podwire.commands.pod_logs",
        "wait": "podwire.commands.wait",
    },
    "A cluster: what is to be": {
        "apply": "podwire.commands.apply",
        "delete": "podwire.commands.delete",
        "run": "podwire.commands.run",
        "scale": "podwire.commands.scale",
        "rollout": "podwire.commands.rollout",
        "label": "podwire.commands.label",
        "cordon": "podwire.commands.cordon",
        "uncordon": "podwire.commands.uncordon",
        "drain": "podwire.commands.drain",
    },
    "A cluster: inside its pods": {
        "exec": "podwire.commands.execute",
        "attach": "podwire.commands.attach",
        "port-forward": "podwire.commands.port_forward",
    },
    "Several nodes on this machine": {
        "lab": "podwire.commands.lab",
    },
}
COMMANDS = {name: module for panel in PANELS.values() for name, module in panel.items()}
PANEL_OF = {name: title for title, panel in PANELS.items() for name in panel}


INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


class Commands(TyperGroup):
    """The commands of the table, and the one place where their errors end."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the commands whose rooms are there."""
        return [name for name, module in COMMANDS.items() if find_spec(module) is not None]

    def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def,override]
        """Import a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = command_of(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        command.rich_help_panel = PANEL_OF[cmd_name]  # type: ignore[attr-defined]  # typer's, of both its classes
        return command

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run a command; a foreseen error is printed and the status is 1."""
        try:
            return super().invoke(ctx)
        except foreseen() as failure:
            if isinstance(failure, BrokenPipeError):
                raise
            print_failure(failure, chosen_output(ctx))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"podwire {version('podwire')}")
        raise typer.Exit


@app.callback()
def podwire(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print on stderr what the kernel is asked.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Container networking: run CNI plugins, look at what they did, find out why they did not."""
    if verbose:
        from cni_plugins.journal import VERBOSE, show_kernel_messages

        os.environ[VERBOSE] = "1"  # for the plugins that are executed
        show_kernel_messages()


def main() -> None:
    """Be the program."""
    app(prog_name="podwire")
