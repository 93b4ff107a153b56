"""`podwire run`: a pod of one's own, now."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.cluster.printed import Form
from podwire.commands.cluster_options import FormOption, LabOption, NamespaceOption, SourceOption
from podwire.commands.printing import say

if TYPE_CHECKING:
    from cni_spec.json_input import JsonObject
    from pod_runner.cluster.objects import Object
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.running import Wish
    from podwire.cluster.where import Place

app = typer.Typer()
END_GRACE = 1  # seconds for what is left of a pod that nobody watches any more
EXIT_KNOWN_IN = 30.0  # seconds until the store says how a program has ended


class Restart(StrEnum):
    """When a program that has ended runs again."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pod's.")],
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- CMD...]", help="What it runs.")] = None,
    image: Annotated[
        str, typer.Option("--image", help="host: this machine's own files, read-only.")
    ] = "host",
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="It reads what we read.")] = False,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="On a terminal.")] = False,
    attached: Annotated[bool, typer.Option("--attach", help="Print what it writes; -i does.")] = False,
    remove: Annotated[bool, typer.Option("--rm", help="Delete it when it has ended, or we have.")] = False,
    restart: Annotated[
        Restart | None, typer.Option("--restart", help="By default Never where we watch it, else Always.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", metavar="KEY=VALUE")] = None,
    labels: Annotated[str, typer.Option("--labels", "-l", metavar="KEY=VALUE,...")] = "",
    port: Annotated[int, typer.Option("--port", help="That it listens on.", min=0, max=65535)] = 0,
    node: Annotated[str, typer.Option("--node", help="Where it is to run.")] = "",
    host_network: Annotated[bool, typer.Option("--host-network", help="In the node's own network.")] = False,
    entrypoint: Annotated[
        bool, typer.Option("--command", help="CMD takes the place of the image's entrypoint.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print it, with -o yaml.")] = False,
    timeout: Annotated[str, typer.Option("--pod-running-timeout", help="Until it runs.")] = "1m",
    namespace: NamespaceOption = "default",
    output: FormOption = Form.TABLE,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Run a program in a pod of its own; with -it on our terminal. Its exit code is ours."""
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.printed import to_form
    from podwire.cluster.running import Wish, manifest_of
    from podwire.cluster.where import find_place

    if tty and not (stdin and sys.stdin.isatty()):
        say("there is no terminal to use: the input is none, or -i is missing")
        tty = False
    is_watched = stdin or attached or remove
    wish = Wish(
        name=name, namespace=namespace, image=image, command=tuple(command or ()), is_entrypoint=entrypoint,
        restart=restart or "", env=tuple(env or ()), labels=tuple(filter(None, labels.split(","))), port=port,
        stdin=stdin, tty=tty, is_attached=is_watched, node=node, host_network=host_network,
    )  # fmt: skip
    manifest = manifest_of(wish)
    if output in (Form.JSON, Form.YAML):
        sys.stdout.write(to_form(manifest, output))
    if dry_run:
        return
    place = find_place(source, lab)
    pod = _created(place, manifest)
    if not is_watched:
        if output in (Form.TABLE, Form.WIDE, Form.NAME):
            typer.echo(f"pod/{name}" + ("" if output is Form.NAME else " created"))
        return
    try:
        code = _watched(place, pod, wish, parse_duration(timeout))
    finally:
        if remove:
            _delete(place, pod)
    raise typer.Exit(code)


def _created(place: Place, manifest: JsonObject) -> Object:
    """Judge a pod and create it. Raises CniError."""
    from cni_spec.errors import INVALID_CONFIG, CniError
    from pod_runner.cluster.objects import Object, ref_of_body
    from pod_runner.manifests.defaults import with_defaults
    from pod_runner.manifests.judging import judge
    from podwire.cluster.where import ask

    if errors := [f"{one.path}: {one.sentence}" for one in judge(manifest) if one.is_error]:
        raise CniError(INVALID_CONFIG, "this cannot be a pod", "\n".join(errors))
    body = ask(place, "creating a pod", lambda cluster: cluster.create(with_defaults(manifest)))
    return Object(ref_of_body(body), body)


def _watched(place: Place, pod: Object, wish: Wish, seconds: float) -> int:
    """Join a pod's streams and ours until its program has ended; return its exit code."""
    from pod_runner.supervisor.client import ControlError
    from podwire.cluster import streaming
    from podwire.cluster.finding import room_of
    from podwire.cluster.log_lines import Wanted
    from podwire.cluster.log_reading import RunEnd, follow_log, print_log
    from podwire.cluster.running import await_begun, await_exit_code

    found = await_begun(place, pod, seconds)
    room = room_of(place, found)
    path, log = room.socket(found), room.log(found, wish.name, 0)
    with suppress(ControlError, FileNotFoundError):  # it has ended, and its log says all
        if wish.tty:
            print_log(log, Wanted(), partial(os.write, 1))  # until we are attached
            return streaming.attach(path, wish.name, is_interactive=True, has_terminal=True)
    followers = [
        threading.Thread(
            target=follow_log,
            args=(log, Wanted(stream=stream), partial(_write, number), RunEnd(path, wish.name, 0)),
        )
        for number, stream in ((1, "stdout"), (2, "stderr"))
    ]
    for one in followers:
        one.start()
    if wish.stdin:
        with suppress(ControlError):  # it has ended already
            streaming.attach(path, wish.name, is_interactive=True, has_terminal=False, prints=False)
    for one in followers:
        one.join()
    return await_exit_code(place, found, EXIT_KNOWN_IN)


def _delete(place: Place, pod: Object) -> None:
    """Delete a pod and wait until it has gone."""
    from podwire.cluster.ending import await_gone, delete
    from podwire.cluster.where import ask

    def act(cluster: ClusterStore) -> JsonObject:
        delete(cluster, pod, END_GRACE)
        await_gone(cluster, [pod])
        return {}

    ask(place, f"deleting pod {pod.name}", act)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
