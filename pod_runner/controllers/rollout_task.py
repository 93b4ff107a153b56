"""A deployment's task: what is known of it -> the parts of one commit."""

from __future__ import annotations

from collections.abc import Sequence

from cluster_store.store import Put
from pod_runner.cluster import events
from pod_runner.cluster.bodies import number, text, with_member
from pod_runner.cluster.events import Happening
from pod_runner.cluster.kinds import DEPLOYMENT
from pod_runner.cluster.objects import Object, to_text
from pod_runner.controllers.decided import NOTHING, Decided
from pod_runner.controllers.known import Known
from pod_runner.controllers.rollout import RolloutWish, decide_rollout
from pod_runner.controllers.views import SetView
from pod_runner.controllers.work import Task
from pod_runner.controllers.writing import Part, forget, put


def decide_deployment(known: Known, task: Task, now: float) -> Decided:
    """Decide on a deployment."""
    found = known.find(DEPLOYMENT.kind, task.namespace, task.name)
    if found is None or found.is_terminating or known.is_closing(task.namespace):
        return NOTHING
    sets = known.sets_of(found)
    wish = decide_rollout(found, sets, now, has_old_pods=_has_old_pods(known, found, sets))
    body = wish.body if wish.body is not None else found.body
    if wish.create is not None and wish.create[0] in known.objects:  # somebody else's, of the same name
        count = number(found.status, "collisionCount") + 1
        return Decided(put(found, with_member(found.body, count, "status", "collisionCount")))
    changes = [Put(one.ref.key, to_text(made)) for one, made in wish.write]
    based_on = {one.ref.key: one.version for one, _ in wish.write}
    if wish.create is not None:
        ref, made_set = wish.create
        changes.append(Put(ref.key, to_text(made_set)))
        based_on[ref.key] = 0
    if not changes and wish.body is None:
        return Decided(Part(()), tuple(forget(one) for one in wish.forget), again_in=wish.again_in)
    core = Part((Put(found.ref.key, to_text(body)), *changes), {found.ref.key: found.version, **based_on})
    return Decided(
        core, tuple(forget(one) for one in wish.forget), _told_of_rollout(found, wish), wish.again_in
    )


def _has_old_pods(known: Known, deployment: Object, sets: Sequence[Object]) -> bool:
    """Tell whether a Recreate must wait: pods of sets that are to have none have not all ended."""
    if text(deployment.spec, "strategy", "type") != "Recreate":
        return False
    emptied = [one for one in sets if SetView(one).replicas == 0]
    return any(not pod.is_over for one in emptied for pod in known.pods_of(one.uid))


def _told_of_rollout(found: Object, wish: RolloutWish) -> tuple[Happening, ...]:
    told = []
    for one in wish.scaled:
        way = "up" if one.after > one.before else "down"
        said = f"Scaled {way} replica set {one.name} from {one.before} to {one.after}"
        told.append(events.about(found, "ScalingReplicaSet", said, "deployment-controller"))
    return tuple(told)
