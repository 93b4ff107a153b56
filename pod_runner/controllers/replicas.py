"""A replica set: how many pods are to be made, which are to go, what its status is. Pure.

A set counts what is active: pods that are neither over nor being deleted. One that is over (a node refused
it) is replaced, with pauses that grow as more of them end, and a few are left for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, number, words
from pod_runner.controllers.ranking import going_first
from pod_runner.controllers.views import PodView, SetView

OVER_KEPT = 5  # pods of a set that have ended and may be looked at
LONGEST_PAUSE = 60.0  # seconds before a pod that cannot be kept alive is tried once more


@dataclass(frozen=True)
class SetWish:
    """What is to become of a set's pods. `again_in`: when to decide again if nothing changes; seconds."""

    create: int = 0
    delete: tuple[PodView, ...] = ()
    adopt: tuple[PodView, ...] = ()
    release: tuple[PodView, ...] = ()
    status: JsonObject | None = None  # None: as it is
    again_in: float | None = None

    @property
    def is_nothing(self) -> bool:
        """Tell whether all is as it should be."""
        return not (self.create or self.delete or self.adopt or self.release) and self.status is None


def decide_replicas(
    owner: SetView,
    pods: Sequence[PodView],
    loose: Sequence[PodView],
    neighbours: Iterable[PodView],
    now: float,
    *,
    at_once: int,
) -> SetWish:
    """Decide on a set.

    `pods`: what it controls; `loose`: pods of its namespace that nothing controls; `neighbours`: as of
    `ranking.going_first`; `now`: seconds of the epoch; `at_once`: how many pods one decision makes or ends.
    """
    if not owner.selector.requirements:  # it would take everybody's pods
        return SetWish()
    release = [pod for pod in pods if not owner.selector.matches(pod.labels)]
    adopt = [pod for pod in loose if pod.is_active and owner.selector.matches(pod.labels)]
    own = [pod for pod in (*pods, *adopt) if pod not in release]
    active = [pod for pod in own if pod.is_active]
    surplus = len(active) - owner.replicas
    if surplus < 0 and not owner.selector.matches(words(owner.template, "metadata", "labels")):
        surplus = 0  # `manifests` refuses such a set; its pods would not be its own
    pause = _pause(own, now)
    create = min(-surplus, at_once) if surplus < 0 and pause <= 0 else 0
    extra = going_first(active, neighbours)[: min(surplus, at_once)] if surplus > 0 else ()
    left = [pod for pod in active if pod not in extra]
    status, unripe = _status(owner, left, create, now)
    ripe_in = [pause] if surplus < 0 < pause else []
    return SetWish(
        create,
        (*extra, *_spent(own)),
        tuple(adopt),
        tuple(release),
        None if status == owner.object.status else status,
        min([*ripe_in, *unripe], default=None),
    )


def _spent(own: Sequence[PodView]) -> list[PodView]:
    """Return the pods that are over, but for the newest few."""
    over = [pod for pod in own if pod.is_over and not pod.object.is_terminating]
    return sorted(over, key=lambda pod: (pod.created, pod.ref))[:-OVER_KEPT]


def _pause(own: Sequence[PodView], now: float) -> float:
    """Return how many seconds to wait before a pod is replaced: 1, 2, 4, ... after as many that ended."""
    over = [pod for pod in own if pod.is_over and now - pod.created < 2 * LONGEST_PAUSE]
    if not over:
        return 0.0
    seconds = min(LONGEST_PAUSE, 2.0 ** (len(over) - 1))
    return max(pod.created for pod in over) + seconds - now


def _status(
    owner: SetView, left: Sequence[PodView], create: int, now: float
) -> tuple[JsonObject, list[float]]:
    """Return the status after this decision, and in how many seconds pods become available."""
    ready = [pod for pod in left if pod.is_ready]
    ripe_in = [pod.ready_since + owner.min_ready - now for pod in ready] if owner.min_ready else []
    unripe = [seconds for seconds in ripe_in if seconds > 0]
    template_labels = words(owner.template, "metadata", "labels").items()
    labeled = sum(template_labels <= pod.labels.items() for pod in left)
    status: JsonObject = {
        **owner.object.status,
        "replicas": len(left) + create,
        "fullyLabeledReplicas": labeled + create,
        "readyReplicas": len(ready),
        "availableReplicas": len(ready) - len(unripe),
        "observedGeneration": number(owner.object.body, "metadata", "generation"),
    }
    return status, unripe
