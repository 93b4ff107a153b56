"""Nodes marked as schedulable or not: what `cordon`, `uncordon` and `drain` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from podwire.commands.cluster_options import reached

if TYPE_CHECKING:
    from pod_runner.cluster.store import ClusterStore


def mark_nodes(names: Sequence[str], source: str, lab: str, *, is_unschedulable: bool) -> None:
    """Mark nodes and say so. Raises NotFound."""
    with reached(source, lab) as cluster:
        for name in names:
            mark_node(cluster, name, is_unschedulable=is_unschedulable)


def mark_node(cluster: ClusterStore, name: str, *, is_unschedulable: bool) -> None:
    """Mark a node and say so. Raises NotFound."""
    from pod_runner.cluster.bodies import JsonObject, is_true, with_member, without_member
    from pod_runner.cluster.kinds import NODE

    was = []

    def edit(body: JsonObject) -> JsonObject:
        was.append(is_true(body, "spec", "unschedulable"))
        if is_unschedulable:
            return with_member(body, True, "spec", "unschedulable")
        return without_member(body, "spec", "unschedulable")

    cluster.change(NODE, "", name, edit)
    word = "cordoned" if is_unschedulable else "uncordoned"
    typer.echo(f"node/{name} {'already ' if was[-1] is is_unschedulable else ''}{word}")
