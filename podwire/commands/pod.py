"""`podwire pod`: pods of this node by hand, without a cluster; and what is left of those that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cni_spec.errors import INVALID_CONFIG, IO_FAILURE, NOT_AVAILABLE, CniError
from cni_spec.json_input import JsonObject
from pod_runner.supervisor.order import NodePlaces
from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table, say

if TYPE_CHECKING:
    from pod_runner.node.by_hand import Here
    from pod_runner.supervisor.foreseeing import Section
    from pod_runner.supervisor.spawner import Spawner

app = typer.Typer(
    no_args_is_help=True,
    help="Run pods on this node by hand, without a cluster; collect what is left of those that are gone.",
)
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Whose section runner says where pods are; by default agent.toml."),
]
COLUMNS = ("NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "IP", "SUPERVISED", "UID")


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A manifest of pods; - is stdin.")],
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for it to be ready; 0: none.")] = 60,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the pods of a manifest on this node, and wait until they are ready or have ended.

    No store has them and nothing replaces them; they go on until `podwire pod stop`, or until they end.
    """
    with _spawner() as spawner:
        from pod_runner.node import by_hand  # while the spawner imports what is its own

        places = _places(config)
        started = []
        for pod in _pods(file):
            bound = by_hand.bound(pod, places)
            _refuse_second(places, bound)
            started.append(_start(bound, places, spawner))
    _tell_agent()
    for folder in started:
        _await(folder, wait)
    names = {one.name for one in started}
    _print([one for one in by_hand.pods(places) if one.folder.name in names], output)


@app.command(name="list")
def list_(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """List all pods of this node, whoever wants them."""
    from pod_runner.node import by_hand

    _print(by_hand.pods(_places(config)), output)


@app.command()
def stop(
    name: Annotated[str, typer.Argument(help="NAME, NAMESPACE/NAME or uid.")],
    grace: Annotated[
        float | None, typer.Option("--grace", help="Seconds before SIGKILL; by default the pod's own.", min=0)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Stop a pod that was made by hand, and remove whatever was made for it."""
    from pod_runner.kernel.cgroups import Cgroups
    from pod_runner.node import by_hand
    from pod_runner.node.removing import remove_pod
    from pod_runner.supervisor.client import ControlError
    from pod_runner.supervisor.spawner import SpawnerError

    places = _places(config)
    try:
        found = by_hand.find(places, name)
    except by_hand.NoSuchPod as error:
        raise CniError(NOT_AVAILABLE, str(error)) from error
    if not found.is_by_hand:
        raise CniError(INVALID_CONFIG, f"{found.name} is wanted by a cluster: podwire delete pod {name}")
    try:
        by_hand.stop(found, grace)
    except (ControlError, SpawnerError) as error:
        say(f"{error}; it is ended by force")
    if said := remove_pod(found.folder.name, places, Cgroups.detect()):
        raise CniError(IO_FAILURE, f"something is left of {found.name}", "\n".join(said))
    _tell_agent()


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="A manifest of pods; - is stdin.")],
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print what would be done for a pod on this node, as the commands it stands for, without doing it.

    An image that is not here is fetched. Lines that begin with # are what no command can do.
    """
    from linuxnet.kernel import Kernel
    from pod_runner.container.spec import ContainerError
    from podwire.pod_explaining import explain_pod

    places = _places(config)
    for pod in _pods(file):
        try:
            with Kernel() as kernel:
                sections = explain_pod(pod, places, kernel)
        except ContainerError as error:
            raise CniError(INVALID_CONFIG, str(error)) from error
        if output is Output.JSON:
            print_json([asdict(one) for one in sections])
        else:
            _print_sections(sections)


@app.command()
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and do nothing.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove what no living pod owns: folders, cgroups and what runs in them, attachments to networks.

    A pod that lives and has lost its supervisor gets another one.
    """
    from pod_runner.kernel.cgroups import Cgroups
    from pod_runner.node import collecting

    places = _places(config)
    orphans = collecting.orphans(places)
    if not dry_run:
        _supervise(orphans)
    done = collecting.collect(places, Cgroups.detect(), lambda: collecting.living(places), dry_run=dry_run)
    if output is Output.JSON:
        print_json({
            "removed": [vars(one) for one in done.found], "supervised": [one.name for one in orphans],
            "failed": done.failed, "dryRun": dry_run,
        })  # fmt: skip
    else:
        rows = [(one.kind, one.what, one.uid) for one in done.found]
        rows += [("supervisor", "started anew", one.name) for one in orphans]
        print_table(("KIND", "WOULD BE REMOVED" if dry_run else "REMOVED", "POD"), rows)
    if done.failed:
        raise CniError(IO_FAILURE, "something is left", "\n".join(map(": ".join, done.failed.items())))


def _places(config: Path | None) -> NodePlaces:
    """Return where this node has things, as agent.toml says."""
    from cni_plugins.journal import AGENT_CONFIG
    from podwire.agent.addresses import name_servers, own_address
    from podwire.agent.settings import read_chosen_settings

    settings = read_chosen_settings(config or AGENT_CONFIG)
    return settings.runner.places(own_address(), name_servers(settings))


def _pods(file: Path) -> list[JsonObject]:
    """Read a manifest. Raises CniError that names line and column of what is wrong."""
    import sys

    from pod_runner.manifests.reading import read

    name = "standard input" if str(file) == "-" else str(file)
    reading = read(sys.stdin.read() if str(file) == "-" else file.read_text(), name)
    if reading.errors:
        raise CniError(INVALID_CONFIG, f"{name} cannot be run", "\n".join(map(str, reading.problems)))
    for problem in reading.problems:
        say(str(problem))
    if others := [f"{one.place}: a {one.kind}" for one in reading.objects if one.kind != "Pod"]:
        raise CniError(INVALID_CONFIG, "only pods run without a cluster", "\n".join(others))
    return [one.body for one in reading.objects]


@contextmanager
def _spawner() -> Iterator[Spawner]:
    """Have a spawner: its imports take as long as ours, and it is begun first."""
    from pod_runner.supervisor.spawner import Spawner

    spawner = Spawner()
    try:
        spawner.start()
        yield spawner
    finally:
        spawner.close()


def _start(pod: JsonObject, places: NodePlaces, spawner: Spawner) -> Path:
    from pod_runner.node import by_hand
    from pod_runner.supervisor.spawner import SpawnerError

    try:
        return by_hand.start(pod, places, spawner)
    except SpawnerError as error:
        raise CniError(IO_FAILURE, str(error)) from error


def _supervise(folders: list[Path]) -> None:
    from pod_runner.node import by_hand
    from pod_runner.supervisor.spawner import SpawnerError

    try:
        by_hand.supervise(folders)
    except SpawnerError as error:
        raise CniError(IO_FAILURE, str(error)) from error


def _refuse_second(places: NodePlaces, pod: JsonObject) -> None:
    from pod_runner.cluster.bodies import text
    from pod_runner.node import by_hand

    wanted = f"{text(pod, 'metadata', 'namespace')}/{text(pod, 'metadata', 'name')}"
    if any(one.name == wanted for one in by_hand.pods(places)):
        raise CniError(INVALID_CONFIG, f"there is a pod {wanted}; podwire pod stop {wanted} ends it")


def _await(folder: Path, patience: float) -> None:
    from pod_runner.cluster.bodies import text
    from pod_runner.node import by_hand
    from pod_runner.supervisor.client import ControlError

    if not patience:
        return
    said: list[str] = []

    def tell(status: JsonObject) -> None:
        phase = text(status, "phase")
        if said[-1:] != [phase]:
            said.append(phase)
            say(f"{folder.name}: {phase}")

    try:
        by_hand.wait_settled(folder, patience, tell)
    except (TimeoutError, ControlError) as error:
        raise CniError(NOT_AVAILABLE, f"{folder.name}: {error}") from error


def _tell_agent() -> None:
    """Have the agent look, if one runs that has pods."""
    import json

    from podwire.agent.client import ask, socket_path
    from podwire.agent.protocol import RUNNER, ProtocolError, Request

    try:
        ask(socket_path(), Request(RUNNER, {}, json.dumps({"ask": "look"}).encode()), timeout=5)
    except (OSError, ProtocolError):  # none runs: the next one finds the folders
        return


def _print_sections(sections: list[Section]) -> None:
    from pod_runner.kernel.steps import together

    for section in sections:
        typer.echo(f"### {section.title}" + (", in a shell of its own" if section.is_own_shell else ""))
        for why, lines in together(section.steps):
            typer.echo(f"\n## {why}")
            for line in lines:
                typer.echo(line)
        typer.echo()


def _print(pods: list[Here], output: Output) -> None:
    from pod_runner.cluster.bodies import text

    if output is Output.JSON:
        print_json([
            {"pod": one.pod, "status": one.status, "supervised": one.is_supervised, "folder": str(one.folder)}
            for one in pods
        ])  # fmt: skip
        return
    rows = []
    for one in pods:
        namespace, _, name = one.name.partition("/")
        phase = text(one.status, "phase") or "Pending"
        rows.append((
            namespace, name, "{}/{}".format(*one.ready), phase, str(one.restarts),
            text(one.status, "podIP"), "yes" if one.is_supervised else "no", one.folder.name,
        ))  # fmt: skip
    print_table(COLUMNS, rows)
