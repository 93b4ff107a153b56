"""Options that several commands take, and where the chosen output is kept for the errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from podwire.commands.printing import Output

_OUTPUT_KEY = "podwire.output"


def keep_output(context: typer.Context, value: Output) -> Output:
    """Note what a command prints: its errors have that form, too."""
    context.meta[_OUTPUT_KEY] = value
    return value


def chosen_output(context: typer.Context) -> Output:
    """Return what --output said; a table before it was read."""
    value = context.meta.get(_OUTPUT_KEY, Output.TABLE)
    return value if isinstance(value, Output) else Output.TABLE


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="What to print.", is_eager=True, callback=keep_output)
]
ConfDirOption = Annotated[
    Path, typer.Option("--conf-dir", envvar="NETCONFPATH", help="Where configuration lists are.")
]
CniPathOption = Annotated[
    str, typer.Option("--cni-path", envvar="CNI_PATH", help="Directories of plugins, with colons between.")
]
CacheDirOption = Annotated[Path, typer.Option("--cache-dir", help="Where results of ADD are kept.")]
IfnameOption = Annotated[
    str, typer.Option("--ifname", "-i", envvar="CNI_IFNAME", help="The interface inside the container.")
]
CapArgsOption = Annotated[
    str, typer.Option("--cap-args", envvar="CAP_ARGS", help="Capability arguments, a JSON object.")
]
RootOption = Annotated[
    Path,
    typer.Option("--root", help="Where the host's files are: in a container, where it has them mounted."),
]

CONF_DIR = Path("/etc/cni/net.d")
CNI_PATH = "/opt/cni/bin"
CACHE_DIR = Path("/var/lib/cni")
