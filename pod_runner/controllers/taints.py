"""Taints and tolerations: which nodes keep a pod away, and until when one that is there may stay. Pure.

k8s.io/api/core/v1, Toleration: an empty key with Exists tolerates everything, an empty effect every effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pod_runner.cluster.bodies import JsonObject, member, number, rows, text
from pod_runner.controllers.views import PodView, Taint

UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"
OURS = (UNREACHABLE, NOT_READY)  # set and taken away by `node_life`


def tolerations_of(pod: PodView) -> list[JsonObject]:
    """Return what a pod tolerates."""
    return rows(pod.object.spec, "tolerations")


def is_tolerated(taint: Taint, tolerations: Iterable[JsonObject]) -> bool:
    """Tell whether one of them tolerates a taint."""
    return any(_tolerates(one, taint) for one in tolerations)


def _tolerates(toleration: JsonObject, taint: Taint) -> bool:
    key, effect = text(toleration, "key"), text(toleration, "effect")
    if (effect and effect != taint.effect) or (key and key != taint.key):
        return False
    if text(toleration, "operator") == "Exists":
        return True
    return bool(key) and text(toleration, "value") == taint.value


def leaves_at(pod: PodView, taints: Sequence[Taint], eviction: float) -> float | None:
    """Return when a pod must leave a node with these taints, seconds of the epoch; None: it may stay.

    `eviction`: for how many seconds a pod that says nothing stays on a node that is not ready; other taints
    send it away at once.
    """
    tolerations = tolerations_of(pod)
    ends: list[float] = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        since = taint.since or 0.0
        found = [one for one in tolerations if _tolerates(one, taint)]
        if not found:
            ends.append(since + (eviction if taint.key in OURS else 0.0))
        ends += [since + seconds for one in found if (seconds := _seconds(one)) is not None]
    return min(ends, default=None)


def _seconds(toleration: JsonObject) -> int | None:
    """Return how long a toleration lasts, None for ever."""
    if member(toleration, "tolerationSeconds") is None:
        return None
    return max(0, number(toleration, "tolerationSeconds"))
