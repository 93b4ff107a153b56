"""`podwire cni`: be a runtime for one container, as cnitool is."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from cni_spec.errors import INVALID_ENVIRONMENT, CniError
from cni_spec.json_input import JsonObject
from cni_spec.result import read_result
from cni_spec.versions import LATEST_VERSION
from podwire.commands.cni_session import Session, print_result, read_target
from podwire.commands.options import (
    CACHE_DIR,
    CNI_PATH,
    CONF_DIR,
    CacheDirOption,
    CapArgsOption,
    CniPathOption,
    ConfDirOption,
    IfnameOption,
    OutputOption,
)
from podwire.commands.printing import Output

DEADLINE = 120.0  # seconds; pod_runner.cni.invoke says why

app = typer.Typer(
    no_args_is_help=True,
    help="Attach a network namespace to a network, or detach, check, clean up: what a runtime does.",
)

NetworkArgument = Annotated[str, typer.Argument(help="The network's name, as its configuration says.")]
NetnsArgument = Annotated[str, typer.Argument(help="The namespace: a path, or a name under /run/netns.")]
UnusedNetnsArgument = Annotated[str, typer.Argument(help="Not used; taken as cnitool takes it.")]
ContainerIdOption = Annotated[
    str,
    typer.Option("--container-id", help="The container; without it, one made from the path as cnitool does."),
]
ArgsOption = Annotated[str, typer.Option("--args", envvar="CNI_ARGS", help="Arguments as K=V;K=V.")]
DeadlineOption = Annotated[float, typer.Option("--deadline", min=0.1, help="Seconds for each plugin.")]
KeepOption = Annotated[
    list[str] | None, typer.Option("--keep", help="CONTAINER/IFNAME that is valid; may be given again.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Nothing is valid: remove every attachment.")]


@app.command()
def add(
    network: NetworkArgument,
    netns: NetnsArgument,
    ifname: IfnameOption = "eth0",
    container_id: ContainerIdOption = "",
    args: ArgsOption = "",
    cap_args: CapArgsOption = "",
    conf_dir: ConfDirOption = CONF_DIR,
    cni_path: CniPathOption = CNI_PATH,
    cache_dir: CacheDirOption = CACHE_DIR,
    deadline: DeadlineOption = DEADLINE,
    output: OutputOption = Output.TABLE,
) -> None:
    """Attach a namespace to a network; if a plugin fails, what was done is taken back."""
    _end_as_if_interrupted()
    session = Session(network, conf_dir, cni_path, cache_dir, deadline, output)
    target = read_target(netns, ifname, container_id, args, cap_args)
    facts: JsonObject = {"containerId": target.container_id, "netns": target.netns, "ifName": target.ifname}
    with session.told(facts):
        facts["result"] = result = session.runtime.add(session.load(), target)
        if output is Output.TABLE:
            print_result(read_result(result, LATEST_VERSION))


@app.command("del")
def delete(
    network: NetworkArgument,
    netns: NetnsArgument,
    ifname: IfnameOption = "eth0",
    container_id: ContainerIdOption = "",
    args: ArgsOption = "",
    cap_args: CapArgsOption = "",
    conf_dir: ConfDirOption = CONF_DIR,
    cni_path: CniPathOption = CNI_PATH,
    cache_dir: CacheDirOption = CACHE_DIR,
    deadline: DeadlineOption = DEADLINE,
    output: OutputOption = Output.TABLE,
) -> None:
    """Detach a namespace from a network; it may be gone, and so may the network's configuration."""
    session = Session(network, conf_dir, cni_path, cache_dir, deadline, output)
    target = read_target(netns, ifname, container_id, args, cap_args)
    with session.told({"containerId": target.container_id, "netns": target.netns, "ifName": target.ifname}):
        session.runtime.delete(network, target, session.load)


@app.command()
def check(
    network: NetworkArgument,
    netns: NetnsArgument,
    ifname: IfnameOption = "eth0",
    container_id: ContainerIdOption = "",
    args: ArgsOption = "",
    cap_args: CapArgsOption = "",
    conf_dir: ConfDirOption = CONF_DIR,
    cni_path: CniPathOption = CNI_PATH,
    cache_dir: CacheDirOption = CACHE_DIR,
    deadline: DeadlineOption = DEADLINE,
    output: OutputOption = Output.TABLE,
) -> None:
    """See whether an attachment is as ADD left it."""
    session = Session(network, conf_dir, cni_path, cache_dir, deadline, output)
    target = read_target(netns, ifname, container_id, args, cap_args)
    with session.told({"containerId": target.container_id, "netns": target.netns, "ifName": target.ifname}):
        session.runtime.check(network, target, session.load)


@app.command()
def gc(
    network: NetworkArgument,
    netns: UnusedNetnsArgument = "",
    keep: KeepOption = None,
    remove_all: AllOption = False,
    conf_dir: ConfDirOption = CONF_DIR,
    cni_path: CniPathOption = CNI_PATH,
    cache_dir: CacheDirOption = CACHE_DIR,
    deadline: DeadlineOption = DEADLINE,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove what is left of attachments whose namespace is gone, or of all but those given by --keep.

    Attachments of other runtimes are known only if they share the cache: name them with --keep.
    """
    session = Session(network, conf_dir, cni_path, cache_dir, deadline, output)
    with session.told({}):
        valid = set() if remove_all else _read_keep(keep) if keep else _alive(session)
        session.runtime.gc(session.load(), valid)


@app.command()
def status(
    network: NetworkArgument,
    netns: UnusedNetnsArgument = "",
    conf_dir: ConfDirOption = CONF_DIR,
    cni_path: CniPathOption = CNI_PATH,
    cache_dir: CacheDirOption = CACHE_DIR,
    deadline: DeadlineOption = DEADLINE,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask whether an ADD to a network would be served now."""
    session = Session(network, conf_dir, cni_path, cache_dir, deadline, output)
    with session.told({}):
        session.runtime.status(session.load())


def _read_keep(keep: list[str]) -> set[tuple[str, str]]:
    found = set()
    for entry in keep:
        container_id, slash, ifname = entry.partition("/")
        if not (container_id and slash and ifname):
            raise CniError(INVALID_ENVIRONMENT, f"--keep: expected CONTAINER/IFNAME, came {entry!r}")
        found.add((container_id, ifname))
    return found


def _alive(session: Session) -> set[tuple[str, str]]:
    """Return the attachments of the network whose namespace is there."""
    cached = session.runtime.attachments(session.name)
    return {(one.target.container_id, one.target.ifname) for one in cached if Path(one.target.netns).exists()}


def _end_as_if_interrupted() -> None:
    """Let SIGTERM unwind the stack, as SIGINT does, so that an ADD takes back what it did."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
