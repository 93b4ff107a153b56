"""A rolling update, one step: how large the new set and the old ones may be now. Pure.

kubernetes/pkg/controller/deployment/rolling.go. A set counts by its size or by the pods it has, whichever is
worse (Kubernetes: by its size, so that for moments there are more pods than maxSurge allows); which of them
serve is what its status says. A status that is behind makes a step smaller than it might be, never larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pod_runner.cluster.bodies import member
from pod_runner.controllers.views import SetView

QUARTER = "25%"  # apps/v1: the default of both


def part(said: object, replicas: int, *, rounds_up: bool) -> int:
    """Return a number, or so many percent of the replicas; nonsense is a quarter."""
    if isinstance(said, int) and not isinstance(said, bool):
        return max(0, said)
    digits = said[:-1] if isinstance(said, str) and said.endswith("%") else ""
    percent = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 25
    return -(-percent * replicas // 100) if rounds_up else percent * replicas // 100


def bounds(deployment: SetView) -> tuple[int, int]:
    """Return maxSurge and maxUnavailable as numbers of pods; one is at least 1, or nothing could move."""
    said = {"maxSurge": QUARTER, "maxUnavailable": QUARTER}
    rolling = member(deployment.object.spec, "strategy", "rollingUpdate")
    said |= rolling if isinstance(rolling, dict) else {}
    surge = part(said["maxSurge"], deployment.replicas, rounds_up=True)
    unavailable = min(part(said["maxUnavailable"], deployment.replicas, rounds_up=False), deployment.replicas)
    return surge, unavailable if surge or unavailable else 1


def step(deployment: SetView, new: SetView | None, old: Sequence[SetView]) -> dict[str, int]:
    """Return the sizes of sets that are to change, by name; "" is the new one, if it is yet to be made."""
    sizes = {one.name: one.replicas for one in old}
    name, size = (new.name, new.replicas) if new else ("", 0)
    grown = _grown(deployment, size, sum(max(one.replicas, one.present) for one in old))
    if new is None or grown != size:
        return {name: grown}
    return _shrunk(deployment, new, old, sizes)


def _grown(deployment: SetView, size: int, of_old: int) -> int:
    """Return how large the new set may be beside the old ones; `of_old`: pods that are, or are to be."""
    surge, _ = bounds(deployment)
    if size >= deployment.replicas:
        return deployment.replicas
    room = deployment.replicas + surge - (size + of_old)
    return size + max(0, min(room, deployment.replicas - size))


def _shrunk(
    deployment: SetView, new: SetView, old: Sequence[SetView], sizes: Mapping[str, int]
) -> dict[str, int]:
    """Return how small the old sets may be: first by pods that do not serve, then by what nobody misses."""
    _, unavailable = bounds(deployment)
    least = deployment.replicas - unavailable
    waiting = max(0, new.replicas - new.available)  # of the new ones: they do not serve yet
    spare = new.replicas + sum(sizes.values()) - least - waiting
    smaller: dict[str, int] = dict(sizes)
    for one in old:
        idle = max(0, min(spare, one.replicas - one.available))
        smaller[one.name] -= idle
        spare -= idle
    serving = new.available + sum(min(one.available, smaller[one.name]) for one in old)
    spare = min(spare, serving - least)
    for one in old:
        fewer = max(0, min(spare, smaller[one.name]))
        smaller[one.name] -= fewer
        spare -= fewer
    return {name: size for name, size in smaller.items() if size != sizes[name]}
