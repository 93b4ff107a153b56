"""`podwire scale`: how many pods a deployment or replica set is to have."""

from __future__ import annotations

from typing import Annotated

import typer

from podwire.commands.cluster_options import (
    KindArgument,
    LabOption,
    NamespaceOption,
    SelectorOption,
    SourceOption,
    check_names,
    reached,
    read_filter,
)

app = typer.Typer()


@app.command()
def scale(
    what: KindArgument,
    replicas: Annotated[int, typer.Option("--replicas", help="How many.", min=0)],
    current_replicas: Annotated[int, typer.Option(help="Only if it is to have so many now.")] = -1,
    namespace: NamespaceOption = "default",
    selector: SelectorOption = "",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Say how many pods a deployment or replica set is to have."""
    from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
    from pod_runner.cluster.bodies import JsonObject, number, with_member
    from pod_runner.cluster.kinds import DEPLOYMENT, REPLICA_SET
    from podwire.cluster.printed import shown_name
    from podwire.cluster.selecting import choose, read_choices

    choices, which = read_choices(what), read_filter(namespace, selector)
    check_names(choices, which, is_everywhere=False)
    for one in choices:
        if one.kind not in (DEPLOYMENT, REPLICA_SET):
            raise CniError(
                INVALID_CONFIG, f"{one.kind.plural} have no replicas: deployments and replicasets have"
            )

    def edit(body: JsonObject) -> JsonObject:
        there = number(body, "spec", "replicas", default=1)
        if current_replicas not in (-1, there):
            raise CniError(NOT_AVAILABLE, f"expected {current_replicas} replicas, it has {there}")
        return with_member(body, replicas, "spec", "replicas")

    with reached(source, lab) as cluster:
        chosen = choose(cluster, choices, which)
        if chosen.missing:
            raise chosen.missing[0]
        for found in chosen.objects:
            cluster.change(found.ref.resource, found.namespace, found.name, edit)
            typer.echo(f"{shown_name(found.ref)} scaled")
