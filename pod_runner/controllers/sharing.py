"""A deployment is resized amid an update: old and new sets share the difference by their sizes. Pure.

kubernetes/pkg/controller/deployment/sync.go, scale: so that a rollout that hangs does not put all new pods on
one side. What a set's share is counted from is noted on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pod_runner.controllers.rolling import bounds
from pod_runner.controllers.views import SetView

DESIRED = "deployment.kubernetes.io/desired-replicas"  # the deployment's, when the set was last sized
MOST = "deployment.kubernetes.io/max-replicas"  # these, and what an update may add


def noted(one: SetView, annotation: str) -> int | None:
    """Return the number in one of these annotations."""
    said = one.annotations.get(annotation, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 12 else None


def notes(deployment: SetView) -> dict[str, str]:
    """Return the annotations of sets that are sized now."""
    surge, _ = bounds(deployment)
    return {DESIRED: str(deployment.replicas), MOST: str(deployment.replicas + surge)}


def is_resized(deployment: SetView, sets: Sequence[SetView]) -> bool:
    """Tell whether replicas have changed since the sets were sized."""
    sized = (noted(one, DESIRED) for one in sets if one.replicas)
    return any(one is not None and one != deployment.replicas for one in sized)


def shared(
    deployment: SetView, new: SetView | None, old: Sequence[SetView], *, is_rolling: bool
) -> dict[str, int]:
    """Return the sets' sizes after a resize, by name; those that stay are there as well."""
    sets = [*old, *([new] if new else [])]
    with_pods = [one for one in sets if one.replicas]
    sizes = {one.name: one.replicas for one in sets}
    if len(with_pods) <= 1:
        only = with_pods[0] if with_pods else new
        return sizes | ({only.name: deployment.replicas} if only else {})
    if new is not None and new.available >= deployment.replicas <= new.replicas:
        return {one.name: 0 for one in old} | {new.name: deployment.replicas}
    return sizes | _by_size(deployment, with_pods) if is_rolling else sizes


def _by_size(deployment: SetView, sets: Sequence[SetView]) -> dict[str, int]:
    surge, _ = bounds(deployment)
    allowed = deployment.replicas + surge if deployment.replicas else 0
    left = allowed - sum(one.replicas for one in sets)
    newer_first = -1 if left > 0 else 1
    largest = sorted(sets, key=lambda one: (-one.replicas, newer_first * one.created, one.name))
    sizes = {}
    for one in largest:
        share = _share(one, allowed)
        share = max(0, min(share, left)) if left > 0 else min(0, max(share, left, -one.replicas))
        sizes[one.name] = one.replicas + share
        left -= share
    sizes[largest[0].name] = max(0, sizes[largest[0].name] + left)
    return sizes


def _share(one: SetView, allowed: int) -> int:
    was = noted(one, MOST) or allowed
    return round(one.replicas * allowed / was) - one.replicas if was else -one.replicas
