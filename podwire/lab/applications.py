"""What a lab begins with: manifests, applied as `podwire apply` does it, and waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cluster_store.opening import open_store
from cni_spec.errors import NOT_AVAILABLE, CniError
from cni_spec.json_input import JsonObject
from pod_runner.cluster.bodies import rows, text, texts
from pod_runner.cluster.kinds import DEPLOYMENT, POD
from pod_runner.cluster.objects import Object, Ref, ref_of_body
from pod_runner.cluster.store import ClusterStore
from podwire.cluster.applying import apply, in_order
from podwire.cluster.conditions import Condition
from podwire.cluster.printed import shown_name
from podwire.cluster.running import HOPELESS
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
    why: list[str] = []

    def are_ready(known: Known) -> bool:
        unmet[:] = [one for one in wanted if not READY[one.kind].holds(known.get(one))]
        why[:] = [said for one in known.values() if one.ref.kind == POD.kind and (said := _why_not(one))]
        return not unmet

    def what() -> str:
        return ", ".join([f"{shown_name(one)} to be ready" for one in unmet] + why[:1])

    if wanted:
        await_state(cluster, (DEPLOYMENT, POD), are_ready, what, PATIENCE)
    return {}


def _why_not(pod: Object) -> str:
    """Return what a pod waits for, "" for nothing, in its own words. Raises CniError: it waits in vain."""
    for key in ("initContainerStatuses", "containerStatuses"):
        for one in rows(pod.status, key):
            reason, message = (text(one, "state", "waiting", part) for part in ("reason", "message"))
            if message:
                said = f"{shown_name(pod.ref)}: {reason}: {message}"
                if reason in HOPELESS:
                    raise CniError(NOT_AVAILABLE, said, f"podwire describe {shown_name(pod.ref)}")
                return said
    return next((f"{shown_name(pod.ref)}: {one}" for one in texts(pod.status, "podwire", "troubles")), "")
