"""`podwire logs`: what containers have written."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.cluster_options import (
    ContainerOption,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    read_filter,
)
from podwire.commands.printing import say

if TYPE_CHECKING:
    from pod_runner.cluster.objects import Object
    from podwire.cluster.finding import NodeRoom
    from podwire.cluster.log_lines import Wanted
    from podwire.cluster.where import Place

app = typer.Typer()
STATES = (("state", "running"), ("state", "terminated"), ("lastState", "terminated"))  # of what has begun
SEVERAL_TAIL = 10  # lines of each, where a selector chooses several; kubectl's


@app.command()
def logs(
    pod: Annotated[str, typer.Argument(metavar="[POD | KIND/NAME]", help="web, deploy/web, svc/web.")] = "",
    container_argument: Annotated[str, typer.Argument(metavar="[CONTAINER]")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the container ends.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the run before.")] = False,
    container: ContainerOption = "",
    all_containers: Annotated[bool, typer.Option("--all-containers", help="Of each one.")] = False,
    tail: Annotated[int, typer.Option("--tail", help="So many lines of the end; -1: all.")] = -1,
    since: Annotated[str, typer.Option("--since", help="Not older than this, as 5m.")] = "",
    timestamps: Annotated[bool, typer.Option("--timestamps", help="With the time of each line.")] = False,
    prefix: Annotated[bool, typer.Option("--prefix", help="With the pod of each line.")] = False,
    namespace: NamespaceOption = "default",
    selector: SelectorOption = "",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Print what containers have written."""
    from cni_spec.errors import INVALID_CONFIG, CniError
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.log_lines import Wanted
    from podwire.cluster.sought import seek, seek_all
    from podwire.cluster.where import find_place

    if bool(pod) == bool(selector):
        raise CniError(INVALID_CONFIG, "say whose: POD, KIND/NAME, or --selector")
    place = find_place(source, lab)
    which = read_filter(namespace, selector)
    sought = seek(place, pod, namespace) if pod else seek_all(place, which)
    if not sought.pods:
        raise CniError(INVALID_CONFIG, f"no pod in the namespace {namespace} has labels that fit {selector}")
    lines = tail if tail >= 0 else SEVERAL_TAIL if selector else None
    wanted = Wanted(lines, time.time() - parse_duration(since) if since else None, timestamps)
    runs: list[Run] = []
    for one in sought.pods:
        name = container or container_argument
        runs += _runs(place, one, name, everything=all_containers, previous=previous)
    if len(runs) == 1:
        _print(runs[0], wanted, is_followed=follow, has_prefix=prefix)
    else:
        _print_all(runs, wanted, is_followed=follow, has_prefix=prefix)


Run = tuple["NodeRoom", "Object", str, int]  # a container's run; runs count from 0


def _runs(place: Place, pod: Object, name: str, *, everything: bool, previous: bool) -> list[Run]:
    """Return which runs are meant. Raises CniError."""
    from pod_runner.cluster.bodies import number, rows, text
    from podwire.cluster.finding import room_of
    from podwire.cluster.sought import container_of, status_in

    if everything:
        names = [text(one, "name") for key in ("initContainers", "containers") for one in rows(pod.spec, key)]
    else:
        names = [text(container_of(pod, name), "name")]
    room = room_of(place, pod)
    counts = [number(status_in(pod.status, one), "restartCount") for one in names]
    return [(room, pod, one, count - previous) for one, count in zip(names, counts, strict=True)]


def _print(run: Run, wanted: Wanted, *, is_followed: bool, has_prefix: bool) -> None:
    """Print a run's log. Raises CniError where there has been no such run."""
    from dataclasses import replace

    from cni_spec.errors import NOT_AVAILABLE, CniError
    from pod_runner.cluster.bodies import table, text
    from podwire.cluster.log_reading import RunEnd, follow_log, print_log
    from podwire.cluster.sought import status_in

    room, pod, container, attempt = run
    status = status_in(pod.status, container)
    about = f"container {container} of pod {pod.name}"
    if attempt < 0:
        raise CniError(NOT_AVAILABLE, f"{about} has had no run before this one")
    has_begun = any(table(status, *where) for where in STATES)
    if not attempt and not has_begun:
        reason = text(status, "state", "waiting", "reason") or "Pending"
        raise CniError(NOT_AVAILABLE, f"{about} has not begun: {reason}")
    path = room.log(pod, container, attempt)
    if has_prefix:
        wanted = replace(wanted, prefix=f"[pod/{pod.name}/{container}] ".encode())
    if is_followed:
        follow_log(path, wanted, _out, RunEnd(room.socket(pod), container, attempt))
    else:
        with suppress(FileNotFoundError):  # it has written nothing
            print_log(path, wanted, _out)


def _print_all(runs: list[Run], wanted: Wanted, *, is_followed: bool, has_prefix: bool) -> None:
    """Print several, one after the other, or side by side where they are followed."""
    from cni_spec.errors import CniError

    def act(run: Run) -> None:
        try:
            _print(run, wanted, is_followed=is_followed, has_prefix=has_prefix)
        except CniError as error:
            say(error.msg)

    if not is_followed:
        for run in runs:
            act(run)
        return
    threads = [threading.Thread(target=act, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _out(data: bytes) -> None:
    """Write whole, at once: lines of several must not mix."""
    if data:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
