"""A cluster in memory, for walks over pure decisions: what is decided is applied if it holds, as by a store.

Decisions are taken in any order, as late as one likes; pods become ready, fail and end when the walk says so.
"""

from __future__ import annotations

import json
from random import Random

from cluster_store.store import Put
from pod_runner.cluster.bodies import JsonObject, text, with_member
from pod_runner.cluster.following import Seen
from pod_runner.cluster.kinds import DEPLOYMENT, REPLICA_SET
from pod_runner.cluster.metadata import as_changed, as_created, time_text
from pod_runner.cluster.objects import Object, Ref, ref_in_key, ref_of_body
from pod_runner.controllers.known import Known
from pod_runner.controllers.rollout_task import decide_deployment
from pod_runner.controllers.set_task import decide_set
from pod_runner.controllers.views import PodView
from pod_runner.controllers.work import Task, What
from pod_runner.controllers.writing import Part

START = 1_795_000_000.0


class Playground:
    """Objects, and a clock that the walk moves."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
        self.objects: dict[Ref, Object] = {}
        self.known = Known(self.objects)
        self._version = 0

    def put(self, body: JsonObject) -> Ref:
        """Write an object as a person would: a new one, or another spec."""
        ref = ref_of_body(body)
        before = self.objects.get(ref)
        made = as_changed(before.body, body) if before else as_created(ref, body, self.now, f"uid-{ref.key}")
        self._set(ref, made)
        return ref

    def edit(self, ref: Ref, value: object, *path: str) -> None:
        """Change one member."""
        self.put(with_member(self.objects[ref].body, value, *path))

    def remove(self, ref: Ref) -> None:
        """Make an object vanish."""
        self._set(ref, None)

    def _set(self, ref: Ref, body: JsonObject | None) -> None:
        before = self.objects.pop(ref, None)
        self._version += 1
        if body is not None:
            self.objects[ref] = Object(ref, body, self._version)
        self.known.take(Seen(ref, self.objects.get(ref), before))

    def apply(self, *parts: Part) -> None:
        """Make changes; all hold, since nothing comes between a decision and its writing here."""
        for part in parts:
            for key, version in part.based_on.items():
                there = self.objects.get(_ref(key))
                assert version == (there.version if there else 0), key
        for part in parts:
            for change in part.changes:
                self._set(_ref(change.key), json.loads(change.value) if isinstance(change, Put) else None)

    def decide(self, ref: Ref) -> bool:
        """Decide on a set or a deployment; tell whether anything was written."""
        if ref.kind == REPLICA_SET.kind:
            decided = decide_set(self.known, Task(What.SET, *ref[1:]), self.now, self.random)
        else:
            decided = decide_deployment(self.known, Task(What.ROLLOUT, *ref[1:]), self.now)
        if not decided.is_nothing:
            self.apply(decided.core, *decided.parts)
        return not decided.is_nothing

    def deciders(self) -> list[Ref]:
        """Return what can be decided on."""
        return sorted(ref for ref in self.objects if ref.kind in (REPLICA_SET.kind, DEPLOYMENT.kind))

    def pods(self) -> list[PodView]:
        """Return all pods."""
        return sorted(self.known.pods.values(), key=lambda pod: pod.ref)

    def known_anew(self) -> Known:
        """Return what somebody knows who has just begun."""
        anew = Known(self.objects)
        for ref, found in self.objects.items():
            anew.take(Seen(ref, found, None))
        return anew

    def active(self) -> list[PodView]:
        """Return the pods that count."""
        return [pod for pod in self.pods() if pod.is_active]

    def ready(self) -> list[PodView]:
        """Return the pods that serve."""
        return [pod for pod in self.active() if pod.is_ready]

    def serve(self, pod: PodView, *, is_ready: bool = True) -> None:
        """Have a pod run, ready or not."""
        ready = {
            "type": "Ready",
            "status": "True" if is_ready else "False",
            "lastTransitionTime": time_text(self.now),
        }
        body = with_member(pod.object.body, "Running", "status", "phase")
        body = with_member(body, "n1", "spec", "nodeName")
        self._set(pod.ref, with_member(body, [ready], "status", "conditions"))

    def fail(self, pod: PodView) -> None:
        """Have a pod end."""
        self._set(pod.ref, with_member(pod.object.body, "Failed", "status", "phase"))

    def settle(self, *, can_start: bool = True) -> None:
        """Decide and serve until nothing changes any more."""
        for _ in range(2000):
            moved = [self.decide(ref) for ref in self.deciders()]
            for pod in self.pods():
                if pod.object.is_terminating:
                    self.remove(pod.ref)
                    moved.append(True)
                elif pod.is_active and not pod.is_ready and can_start:
                    self.serve(pod)
                    moved.append(True)
            if not any(moved):
                return
        raise AssertionError("it does not come to rest")

    def revisions(self) -> list[str]:
        """Return which template each active pod has, sorted."""
        return sorted(_revision(pod.object) for pod in self.active())


def _revision(pod: Object) -> str:
    containers = pod.spec.get("containers")
    assert isinstance(containers, list)
    return text(containers[0]["env"][0], "value")


def _ref(key: str) -> Ref:
    ref = ref_in_key(key)
    assert ref is not None, key
    return ref
