"""What a lab begins with: manifests, applied as `podwire apply` does it, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cluster_store.opening import open_store
from cni_spec.json_input import JsonObject
from pod_runner.cluster.kinds import DEPLOYMENT, POD
from pod_runner.cluster.objects import Ref, ref_of_body
from pod_runner.cluster.store import ClusterStore
from podwire.cluster.applying import apply, in_order
from podwire.cluster.conditions import Condition
from podwire.cluster.printed import shown_name
from podwire.cluster.watching import Known, await_state
from podwire.lab.blueprint import Blueprint
from podwire.lab.errors import LabError
from podwire.lab.inside import Work

READY = {DEPLOYMENT.kind: Condition("Available"), POD.kind: Condition("Ready")}
PATIENCE = 55.0  # seconds for everything to be ready; less than a piece of work in the lab may take


def begin_with(
    blueprint: Blueprint, lab: int, manifests: Sequence[JsonObject], tell: Callable[[str], None]
) -> None:
    """Apply manifests in a lab, and wait until deployments are available and pods ready.

    Raises:
        LabError: the lab runs no pods.
        CniError: an object could not be written, or is not ready in time; it stays to be looked at.
    """
    if not blueprint.runs_pods:
        raise LabError("manifests are for labs that run pods and serve services: without --no-services")
    for line in Work("manifests", lab, lambda: _apply(blueprint, manifests)).result().values():
        tell(str(line))
    Work("the applications", lab, lambda: _await_ready(blueprint, manifests)).result()


def _apply(blueprint: Blueprint, manifests: Sequence[JsonObject]) -> JsonObject:
    cluster = ClusterStore(open_store(blueprint.services_url))
    done = [apply(cluster, one) for one in in_order(manifests)]
    return {str(number): f"{shown_name(one.ref)} {one.word}" for number, one in enumerate(done)}


def _await_ready(blueprint: Blueprint, manifests: Sequence[JsonObject]) -> JsonObject:
    wanted = [one for one in map(ref_of_body, manifests) if one.kind in READY]
    cluster = ClusterStore(open_store(blueprint.services_url))
    unmet: list[Ref] = []

    def are_ready(known: Known) -> bool:
        unmet[:] = [one for one in wanted if not READY[one.kind].holds(known.get(one))]
        return not unmet

    def what() -> str:
        return ", ".join(f"{shown_name(one)} to be ready" for one in unmet)

    if wanted:
        await_state(cluster, (DEPLOYMENT, POD), are_ready, what, PATIENCE)
    return {}
