"""`podwire lab`: several nodes on one machine, to try things on and to break."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from podwire.commands.options import OutputOption
from podwire.commands.printing import Output, print_json, print_table, say
from podwire.lab.blueprint import MOST_NODES, Blueprint, LabMode, RegistryKind, Topology
from podwire.lab.breaking import Breaker, Part
from podwire.lab.folder import LabFolder

app = typer.Typer(
    no_args_is_help=True,
    help="Several nodes on this machine, each with an agent of its own, in namespaces that end together.",
)
pod_app = typer.Typer(no_args_is_help=True, help="Attach a pod on a node, or take one away.")
app.add_typer(pod_app, name="pod")

CONVERGENCE = 30.0  # seconds for everybody to reach everybody once all nodes have leases

NameOption = Annotated[
    str, typer.Option("--name", "-n", help="Which lab; labs of other names are beside it.")
]
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="node1, node2, ...")]


@app.command()
def up(
    name: NameOption = "lab",
    nodes: Annotated[int, typer.Option("--nodes", help="How many.", min=1, max=MOST_NODES)] = 3,
    registry: Annotated[
        RegistryKind, typer.Option("--registry", help="Where leases are kept.")
    ] = RegistryKind.DIRECTORY,
    mode: Annotated[LabMode, typer.Option("--mode", help="How packets cross nodes.")] = LabMode.VXLAN,
    dual_stack: Annotated[bool, typer.Option("--dual-stack", help="Pods have IPv6 as well.")] = False,
    topology: Annotated[
        Topology, typer.Option("--topology", help="One segment, or two and a router.")
    ] = Topology.FLAT,
    mtu: Annotated[int, typer.Option("--mtu", help="Of the underlay, in bytes.", min=1280, max=9000)] = 1500,
    pods: Annotated[int, typer.Option("--pods", help="On each node.", min=0, max=200)] = 1,
    services: Annotated[
        bool, typer.Option("--services/--no-services", help="Agents serve services and their names.")
    ] = True,
    manifest: Annotated[
        list[str] | None, typer.Option("--manifest", metavar="FILE|DIR", help="Applied when it is up.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a lab, wait until every pod reaches every other, and show it; status 1 if one does not."""
    from cni_spec.config import validate
    from podwire.cluster.manifest_files import read_manifests
    from podwire.lab.applications import begin_with
    from podwire.lab.building import all_pods, build, found
    from podwire.lab.looking import versions_of
    from podwire.lab.reach import await_all
    from podwire.lab.rootless import missing_here, open_folder, step_into_new

    asked = {"name": name, "registry": registry, "mode": mode, "topology": topology, "mtu": mtu}
    blueprint = validate(Blueprint, asked | {"dual_stack": dual_stack, "services": services})
    manifests = read_manifests(manifest, "default", say) if manifest else []
    if not open_folder(blueprint.name).exists():
        step_into_new()
    folder = LabFolder(blueprint.name)
    for sentence in missing_here():
        say(sentence)
    with _timed("the lab is up"):
        build(blueprint, nodes, pods, say)
        await_all(lambda: all_pods(found(folder)), versions_of(blueprint), CONVERGENCE)
        if manifests:
            begin_with(blueprint, found(folder).lab, manifests, say)
    _show(folder, output)


@app.command()
def down(name: NameOption = "lab") -> None:
    """Take a lab away, and whatever is left of one that was killed."""
    from podwire.lab.building import take_down

    _read_name(name)
    if not take_down(name):
        say(f'there is nothing of a lab "{name}"')


@app.command()
def status(
    name: NameOption = "lab",
    transfer: Annotated[
        float, typer.Option("--transfer", help="Megabytes over TCP from every pod to every other.", min=0)
    ] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show nodes, leases, pods and who reaches whom; status 1 if a pod does not reach another."""
    _show(_read_name(name), output, round(transfer * 1e6))


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    where: Annotated[str, typer.Argument(metavar="NODE[/POD]", help="node1, or node1/pod1, or underlay.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="What is run there.")],
    name: NameOption = "lab",
) -> None:
    """Run a command in a node, or in a pod's network namespace; its status is ours."""
    from podwire.lab.blueprint import UNDERLAY
    from podwire.lab.building import found, pid_of
    from podwire.lab.inside import door
    from podwire.lab.nodes import PODWIRE
    from podwire.lab.places import OUTER_USER

    there = found(_existing(name))
    node, _, pod = where.partition("/")
    pid = there.lab if node == UNDERLAY else pid_of(there, node)
    words = command[1:] if command[0] == "--" else command
    program = list(PODWIRE) if words[:1] == ["podwire"] else words[:1]  # the one that the lab is made of
    argv = [*door(pid, pod), *program, *words[1:]]
    env = {name: value for name, value in os.environ.items() if name != OUTER_USER}
    os.execvpe(argv[0], argv, env)


@app.command("add-node")
def add_node(
    name: NameOption = "lab",
    pods: Annotated[int, typer.Option("--pods", help="On it.", min=0, max=200)] = 1,
) -> None:
    """Let a node join."""
    from podwire.lab.building import add_nodes, add_pods, found, next_node

    folder = _existing(name)
    with folder.held():
        node = next_node(folder, found(folder))
        add_nodes(folder.read(), folder, [node], say)
        add_pods(folder, {node: pods}, say)
    typer.echo(node)


@app.command("remove-node")
def remove_node(
    node: NodeArgument,
    name: NameOption = "lab",
    abruptly: Annotated[
        bool, typer.Option("--abruptly", help="It dies: its lease stays, and nobody detaches its pods.")
    ] = False,
) -> None:
    """Let a node leave: its pods are detached, and its lease is given back."""
    from podwire.lab.building import remove_node as remove

    folder = _existing(name)
    with folder.held():
        remove(folder.read(), folder, node, say, is_abrupt=abruptly)


@app.command("break")
def break_part(
    node: NodeArgument,
    part: Annotated[Part, typer.Argument(help="Without it: the whole node dies.")] = Part.NODE,
    name: NameOption = "lab",
) -> None:
    """Kill a node, or its agent alone; take its link down, or keep its registry away."""
    with _breaker(_existing(name), node) as breaker:
        breaker.break_part(part)


@app.command()
def mend(
    node: NodeArgument,
    part: Annotated[Part | None, typer.Argument(help="Without it: all that is broken.")] = None,
    name: NameOption = "lab",
) -> None:
    """Undo what `break` did."""
    from podwire.lab.building import found, revive_node
    from podwire.lab.dying import dead_nodes

    folder = _existing(name)
    if node in dead_nodes(folder, found(folder)):
        with folder.held():
            revive_node(folder.read(), folder, node, say)
        return
    with _breaker(folder, node) as breaker:
        for one in [part] if part else breaker.broken():
            breaker.mend(one)


@pod_app.command("add")
def add_pod(
    node: NodeArgument,
    name: NameOption = "lab",
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For services' selectors.")
    ] = None,
    serve: Annotated[
        int, typer.Option("--serve", metavar="PORT", help="A web server that says who it is.", max=65535)
    ] = 0,
) -> None:
    """Attach one more pod on a node, and print its name and addresses."""
    from podwire.lab.building import add_pods, found, pid_of
    from podwire.lab.pods import wish_of

    folder = _existing(name)
    with folder.held():
        pid_of(found(folder), node)
        for pod in add_pods(folder, {node: 1}, lambda _: None, wish_of(label or (), serve)):
            typer.echo(f"{pod.name} {' '.join(pod.addresses)}")


@pod_app.command("remove")
def remove_pod(
    node: NodeArgument,
    pod: Annotated[str, typer.Argument(help="Without it: the node's last.")] = "",
    name: NameOption = "lab",
) -> None:
    """Take a pod away from a node."""
    from podwire.lab.building import found, pid_of, remove_pods
    from podwire.lab.errors import LabError
    from podwire.lab.pods import pods_of

    folder = _existing(name)
    with folder.held():
        there = [one.name for one in pods_of(node, pid_of(found(folder), node))]
        if not there:
            raise LabError(f"{node} has no pods")
        remove_pods(folder, node, [pod or there[-1]])


@pod_app.command("ready")
def ready_pod(
    node: NodeArgument,
    pod: Annotated[str, typer.Argument(help="One with a label or a server.")],
    name: NameOption = "lab",
    is_ready: Annotated[bool, typer.Option("--yes/--no", help="Does it want traffic?")] = True,
) -> None:
    """Say whether a pod is ready: services lead to those that are."""
    from podwire.lab.building import found, pid_of
    from podwire.lab.objects import set_ready

    folder = _existing(name)
    with folder.held():
        there = found(folder)
        pid_of(there, node)
        set_ready(folder.read(), there.lab, f"{node}-{pod}", is_ready=is_ready)


def _show(folder: LabFolder, output: Output, size: int = 0) -> None:
    from podwire.lab.looking import complaints, map_headings, map_rows, node_rows, praise, view

    seen = view(folder, size)
    if output is Output.JSON:
        print_json(seen.to_json())
    else:
        headings = ("NODE", "ADDRESS", "LEASE", "MTU", "AGENT", "BROKEN", "PODS")
        print_table(headings, node_rows(seen))
        print_table(map_headings(seen), map_rows(seen))
        for sentence in (*complaints(seen), praise(seen)):
            if sentence:
                say(sentence)
    if not seen.is_whole:
        raise typer.Exit(1)


def _read_name(name: str) -> LabFolder:
    """Return the folder of a lab that need not be there. Raises CniError for what is no name of a lab."""
    from podwire.lab.rootless import open_folder

    return open_folder(name)


def _existing(name: str) -> LabFolder:
    folder = _read_name(name)
    folder.read()
    return folder


@contextmanager
def _breaker(folder: LabFolder, node: str) -> Iterator[Breaker]:
    from podwire.lab.building import found, pid_of

    with folder.held():
        there = found(folder)
        yield Breaker(folder.read(), folder, there.lab, node, pid_of(there, node))


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what} after {time.monotonic() - began:.1f} s")
