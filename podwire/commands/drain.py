"""`podwire drain`: a node without pods, to be worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from podwire.commands.cluster_options import LabOption, SourceOption, reached
from podwire.commands.node_marking import mark_node

if TYPE_CHECKING:
    from pod_runner.cluster.objects import Object

app = typer.Typer()


@app.command()
def drain(
    node: Annotated[str, typer.Argument(metavar="NODE")],
    grace_period: Annotated[
        int, typer.Option(help="Seconds for a pod to end; -1: what it says itself.")
    ] = -1,
    force: Annotated[
        bool, typer.Option("--force", help="Also pods that nobody makes anew elsewhere.")
    ] = False,
    timeout: Annotated[str, typer.Option(help="As 5m; 0: as long as it takes.")] = "0",
    source: SourceOption = "",
    lab: LabOption = "",
) -> None:
    """Cordon a node and end its pods; controllers make them anew on others."""
    from cni_spec.errors import NOT_AVAILABLE, CniError
    from pod_runner.cluster.kinds import POD
    from pod_runner.cluster.metadata import controller_of
    from podwire.cluster.ages import parse_duration
    from podwire.cluster.ending import await_gone, delete
    from podwire.cluster.printed import shown_name
    from podwire.cluster.selecting import Filter, read_field_selector
    from podwire.cluster.watching import FOREVER

    which = Filter(fields=read_field_selector(f"spec.nodeName={node}"))
    with reached(source, lab) as cluster:
        mark_node(cluster, node, is_unschedulable=True)
        pods = [one for one in cluster.list(POD) if which.takes(one) and not _is_static(one)]
        alone = [one.name for one in pods if not controller_of(one.body)]
        if alone and not force:
            said = f"nobody would make these pods anew: {', '.join(alone)}"
            raise CniError(NOT_AVAILABLE, said, "--force ends them all the same")
        for pod in pods:
            delete(cluster, pod, None if grace_period < 0 else grace_period)
            typer.echo(f"{shown_name(pod.ref)} evicted")
        await_gone(cluster, pods, parse_duration(timeout) or FOREVER)
        typer.echo(f"node/{node} drained")


def _is_static(pod: Object) -> bool:
    """Tell whether a pod is of a file of its node: deleting the object would not end it."""
    from pod_runner.cluster.bodies import member
    from pod_runner.node.wanted import SOURCE

    return member(pod.body, "metadata", "annotations", SOURCE) is not None
