"""`podwire top pods` and `top nodes`: what pods use just now."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.cluster_options import (
    AllOption,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    read_filter,
)
from podwire.commands.printing import plain_lines, say

if TYPE_CHECKING:
    from pathlib import Path

    from pod_runner.cluster.objects import Object
    from podwire.cluster.usage import Use
    from podwire.cluster.where import Place

UNKNOWN = "<unknown>"


class Order(StrEnum):
    """By what rows are sorted."""

    NAME = "name"
    CPU = "cpu"
    MEMORY = "memory"


SortOption = Annotated[Order, typer.Option("--sort-by", help="Who uses most comes first.")]


def pods(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    containers: Annotated[bool, typer.Option("--containers", help="Each container by itself.")] = False,
    sort_by: SortOption = Order.NAME,
    namespace: NamespaceOption = "default",
    all_namespaces: AllOption = False,
    selector: SelectorOption = "",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Show what pods use: cores, and memory that cannot be dropped."""
    from podwire.cluster.sought import seek, seek_all
    from podwire.cluster.usage import Use, is_running, measure, total
    from podwire.cluster.where import find_place

    place = find_place(source, lab)
    which = read_filter(namespace, selector, is_everywhere=all_namespaces)
    found = (seek(place, name, namespace) if name else seek_all(place, which)).pods
    running = [one for one in found if is_running(one)]
    used = measure(_sockets(place, running), say)
    rows: list[tuple[Use, list[str]]] = []
    for pod in running:
        head = [pod.namespace] * all_namespaces + [pod.name]
        uses = used.get(pod.uid)
        if uses is None:
            rows.append((Use(-1.0, -1), [*head, *[UNKNOWN] * (2 + containers)]))
        elif containers:
            rows += [(use, [*head, one, use.cores_text, use.memory_text]) for one, use in uses.items()]
        else:
            use = total(uses.values())
            rows.append((use, [*head, use.cores_text, use.memory_text]))
    headings = ["NAMESPACE"] * all_namespaces + ["POD"] * containers + ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    _print(headings, rows, sort_by)
    if not rows:
        say("no pod runs" + ("" if all_namespaces else f" in the namespace {namespace}"))


def nodes(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    sort_by: SortOption = Order.NAME,
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Show what the pods of each node use, and of how much."""
    from pod_runner.cluster.bodies import rows as rows_of
    from pod_runner.cluster.bodies import text
    from pod_runner.cluster.kinds import NODE
    from pod_runner.cluster.objects import Object, ref_of_body
    from podwire.cluster.selecting import Filter
    from podwire.cluster.sought import seek_all
    from podwire.cluster.usage import Use, is_running, measure, room_in, share, total
    from podwire.cluster.where import ask, find_place

    place = find_place(source, lab)
    told = ask(
        place, "looking for nodes", lambda cluster: {"nodes": [one.body for one in cluster.list(NODE)]}
    )
    found = [Object(ref_of_body(one), one) for one in rows_of(told, "nodes")]
    running = [one for one in seek_all(place, Filter()).pods if is_running(one)]
    used = measure(_sockets(place, running), say)
    rows: list[tuple[Use, list[str]]] = []
    for node in found:
        mine = [one for one in running if text(one.spec, "nodeName") == node.name]
        if name not in ("", node.name):
            continue
        if any(one.uid not in used for one in mine):
            rows.append((Use(-1.0, -1), [node.name, *[UNKNOWN] * 4, str(len(mine))]))
            continue
        use, room = total(one for pod in mine for one in used[pod.uid].values()), room_in(node)
        cells = [
            use.cores_text,
            share(use.cores, room.cores),
            use.memory_text,
            share(use.memory, room.memory),
        ]
        rows.append((use, [node.name, *cells, str(len(mine))]))
    _print(["NAME", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%", "PODS"], rows, sort_by)


def _print(headings: list[str], rows: list[tuple[Use, list[str]]], order: Order) -> None:
    if order is Order.CPU:
        rows = sorted(rows, key=lambda row: -row[0].cores)
    elif order is Order.MEMORY:
        rows = sorted(rows, key=lambda row: -row[0].memory)
    for line in plain_lines(headings, [cells for _, cells in rows]) if rows else ():
        typer.echo(line)


def _sockets(place: Place, pods: list[Object]) -> dict[str, Path]:
    """Return the control sockets of pods; those of nodes that cannot be reached from here are left out."""
    from cni_spec.errors import CniError
    from podwire.cluster.finding import room_of

    found = {}
    for pod in pods:
        try:
            found[pod.uid] = room_of(place, pod).socket(pod)
        except CniError as error:
            say(error.msg)
    return found
