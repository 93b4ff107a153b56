"""`podwire`: the command line. Commands are modules that are imported when they are asked for."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command as command_of

from podwire.commands.failing import FORESEEN, Failed, print_failure
from podwire.commands.options import chosen_output

# command, the module whose `app` it is; those of rooms that are not installed are not offered
COMMANDS = {
    "cni": "podwire.commands.cni",
    "schema": "podwire.commands.schema",
    "lint": "podwire.commands.lint",
    "explain": "podwire.commands.explain",
    "inspect": "podwire.commands.inspect",
    "map": "podwire.commands.map",
    "doctor": "podwire.commands.doctor",
    "bundle": "podwire.commands.bundle",
    "install": "podwire.commands.install",
    "uninstall": "podwire.commands.uninstall",
    "ipam": "podwire.ipam_commands",
    "agent": "podwire.commands.agent",
    "top": "podwire.commands.top",
    "overlay": "podwire.commands.overlay",
    "proxy": "podwire.commands.proxy",
    "dns": "podwire.commands.dns",
    "service": "podwire.commands.service",
    "resolve": "podwire.commands.resolve",
    "pod": "podwire.commands.pod",
    "lab": "podwire.commands.lab",
}


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
        return command

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Run a command; a foreseen error is printed and the status is 1."""
        try:
            return super().invoke(ctx)
        except (Failed, *FORESEEN) as failure:
            if isinstance(failure, BrokenPipeError):
                raise
            print_failure(failure, chosen_output(ctx))
            raise typer.Exit(1) from None


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
