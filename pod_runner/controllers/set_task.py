"""A replica set's task: what is known of it -> the parts of one commit.

The set itself is written with every decision, even if it stays the same: of two decisions from the same state
one fails, so a set never gets more pods than it is to have, whoever decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from pod_runner.cluster import events
from pod_runner.cluster.bodies import with_member
from pod_runner.cluster.deleting import deletion
from pod_runner.cluster.events import Happening
from pod_runner.cluster.kinds import REPLICA_SET
from pod_runner.cluster.metadata import owner_reference
from pod_runner.cluster.objects import Object, Ref
from pod_runner.controllers.decided import NOTHING, Decided
from pod_runner.controllers.known import Known
from pod_runner.controllers.replicas import SetWish, decide_replicas
from pod_runner.controllers.templates import pod_of
from pod_runner.controllers.views import PodView, SetView
from pod_runner.controllers.work import Task
from pod_runner.controllers.writing import Part, new, put

AT_ONCE = 90  # pods that one commit makes or ends (writing.MOST)
NAMED = 5  # pods of one decision that are told of by name


def decide_set(known: Known, task: Task, now: float, random: Random) -> Decided:
    """Decide on a replica set. `now`: seconds of the epoch."""
    found = known.find(REPLICA_SET.kind, task.namespace, task.name)
    if found is None or found.is_terminating or known.is_closing(task.namespace):
        return NOTHING
    owner = SetView(found)
    pods = known.pods_of(found.uid)
    wish = decide_replicas(
        owner, pods, known.loose_pods(task.namespace), _neighbours(known, owner, pods), now, at_once=AT_ONCE
    )
    if wish.is_nothing:
        return Decided(Part(()), again_in=wish.again_in)
    status = wish.status if wish.status is not None else found.status
    core = put(found, {**found.body, "status": status})
    made = [pod_of(owner, random, now) for _ in range(wish.create)]
    parts = [*_ended(wish, now), *_moved(wish, owner), *(new(ref, body) for ref, body in made)]
    told = _told_of_set(found, [ref for ref, _ in made], [pod.ref for pod in wish.delete if pod.is_active])
    return Decided(core, tuple(parts), told, wish.again_in)


def _neighbours(known: Known, owner: SetView, pods: Sequence[PodView]) -> list[PodView]:
    """Return the active pods of all sets of the same deployment."""
    above = known.by_uid(owner.owner)
    if above is None:
        return [pod for pod in pods if pod.is_active]
    every = (known.pods_of(one.uid) for one in known.sets_of(above))
    return [pod for some in every for pod in some if pod.is_active]


def _ended(wish: SetWish, now: float) -> Iterator[Part]:
    for pod in wish.delete:
        if changes := deletion(pod.object, now):
            yield Part(tuple(changes), {pod.ref.key: pod.object.version})


def _moved(wish: SetWish, owner: SetView) -> Iterator[Part]:
    """Yield what gives pods an owner, or takes it."""
    path = ("metadata", "ownerReferences")
    for pod in wish.adopt:
        yield put(pod.object, with_member(pod.object.body, [owner_reference(owner.object)], *path))
    for pod in wish.release:
        yield put(pod.object, with_member(pod.object.body, [], *path))


def _told_of_set(found: Object, made: Sequence[Ref], ended: Sequence[Ref]) -> tuple[Happening, ...]:
    told = []
    for reason, word, refs in (("SuccessfulCreate", "Created", made), ("SuccessfulDelete", "Deleted", ended)):
        said = (
            [f"{word} pod: {ref.name}" for ref in refs]
            if len(refs) <= NAMED
            else [f"{word} {len(refs)} pods"]
        )
        told += [events.about(found, reason, one, "replicaset-controller") for one in said]
    return tuple(told)
