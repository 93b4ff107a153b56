"""`podwire describe`: one object with all that belongs to it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

from podwire.commands.cluster_options import (
    AllOption,
    KindArgument,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)
from podwire.commands.printing import say

if TYPE_CHECKING:
    from pod_runner.cluster.bodies import JsonObject
    from pod_runner.cluster.objects import Object
    from pod_runner.cluster.store import ClusterStore
    from podwire.cluster.describing import Beside

app = typer.Typer()


@app.command()
def describe(
    what: KindArgument,
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    selector: SelectorOption = "",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Show objects with what belongs to them, and what has happened to them."""
    from podwire.cluster.allotted import with_allotted
    from podwire.cluster.describing import describe as described
    from podwire.cluster.selecting import choose, read_choices

    choices = read_choices(what)
    which = read_filter(namespace, selector, is_everywhere=all_namespaces)
    check_names(choices, which, is_everywhere=all_namespaces)
    with reached(source, lab) as cluster:
        chosen = choose(cluster, choices, which)
        found = with_allotted(cluster, chosen.objects)
        sys.stdout.write("\n\n".join(described(one, _beside(cluster, one)) for one in found))
    for error in chosen.missing:
        say(str(error))
    if chosen.missing:
        raise typer.Exit(1)
    if not found:
        say("no resources found")


def _beside(cluster: ClusterStore, found: Object) -> Beside:
    """Read what else is to be said."""
    from pod_runner.cluster.bodies import text
    from pod_runner.cluster.kinds import POD, REPLICA_SET
    from pod_runner.controllers.revisions import history
    from podwire.cluster.describing import Beside
    from podwire.cluster.endpoints import ready_endpoints

    pods: tuple[Object, ...] = ()
    sets: tuple[Object, ...] = ()
    endpoints: tuple[str, ...] = ()
    match found.ref.kind:
        case "Node":
            pods = tuple(one for one in cluster.list(POD) if text(one.spec, "nodeName") == found.name)
        case "Deployment":
            sets = tuple(one.set for one in history(found, cluster.list(REPLICA_SET, found.namespace)))
        case "Service":
            endpoints = ready_endpoints(found.body, cluster.list(POD, found.namespace))
    return Beside(time.time(), pods, sets, endpoints, tuple(_events(cluster, found)))


def _events(cluster: ClusterStore, found: Object) -> list[JsonObject]:
    """Return an object's events, oldest first."""
    from pod_runner.cluster.bodies import text
    from pod_runner.cluster.events import last_time
    from pod_runner.cluster.kinds import EVENT

    every = cluster.list(EVENT, found.namespace or "default")
    mine = [one for one in every if text(one.body, "involvedObject", "uid") == found.uid]
    return [one.body for one in sorted(mine, key=last_time)]
