"""`podwire explain`: what an ADD would do, as commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.cni_session import read_target
from podwire.commands.options import CapArgsOption, IfnameOption, OutputOption
from podwire.commands.printing import Output, print_json

app = typer.Typer(no_args_is_help=True)


@app.command()
def explain(
    conflist: Annotated[Path, typer.Argument(help="A configuration list.")],
    ifname: IfnameOption = "eth0",
    cap_args: CapArgsOption = "",
    container_id: Annotated[str, typer.Option("--container-id", help="The container's id.")] = "CONTAINER",
    args: Annotated[str, typer.Option("--args", help="Arguments as K=V;K=V.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Print what an ADD would do on this machine, as the commands it stands for, without doing it."""
    from linuxnet.kernel import Kernel
    from pod_runner.cni.lists import read_list_file
    from podwire.explain import explain as explanations_of

    network = read_list_file(conflist)
    with Kernel() as kernel:
        target = read_target("CONTAINER", ifname, container_id, args, cap_args)
        found = explanations_of(network, target, kernel)
    if output is Output.JSON:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        typer.echo(f"# {one.plugin}")
        for remark in one.remarks:
            typer.echo(f"# {remark}")
        for command in one.commands:
            typer.echo(command)
