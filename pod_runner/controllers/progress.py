"""A deployment's status: counters and conditions. Pure.

kubernetes/pkg/controller/deployment/progress.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from pod_runner.cluster.bodies import JsonObject, member, number, rows, text
from pod_runner.cluster.metadata import seconds_of, time_text
from pod_runner.controllers.conditions import condition
from pod_runner.controllers.rolling import bounds
from pod_runner.controllers.views import SetView

FOREVER = 2**31 - 1  # progressDeadlineSeconds without a deadline (apps/v1)
DONE, LATE, PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"
COUNTERS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def reported(
    deployment: SetView,
    new: SetView | None,
    old: Sequence[SetView],
    now: float,
    *,
    is_paused: bool,
    has_moved: bool,
) -> tuple[JsonObject, float | None]:
    """Return the deployment with its status of now, and in how many seconds its deadline passes.

    `now`: seconds of the epoch. `has_moved`: sets are resized or made at this moment.
    """
    found = deployment.object
    counters = _counters(new, old)
    moved = has_moved or _has_moved(found.status, counters)
    available = _availability(deployment, counters["availableReplicas"])
    is_done = is_complete(deployment, new, old)
    progressing, again_in = _progress(
        deployment, new, now, is_paused=is_paused, is_done=is_done, has_moved=moved
    )
    kept = [
        one for one in rows(found.status, "conditions") if one.get("type") not in ("Available", "Progressing")
    ]
    conditions = [_stamped(found.body, one, now, is_news=moved) for one in (available, progressing) if one]
    status = {
        **found.status,
        **counters,
        "observedGeneration": number(found.body, "metadata", "generation"),
        "conditions": [*conditions, *kept],
    }
    return ({**found.body, "status": status} if status != found.status else found.body), again_in


def is_complete(deployment: SetView, new: SetView | None, old: Sequence[SetView]) -> bool:
    """Tell whether all pods are of the newest template, and serve."""
    if new is None:
        return False
    wanted = deployment.replicas
    return new.present == new.available == new.replicas == wanted and not any(
        one.present or one.replicas for one in old
    )


def _counters(new: SetView | None, old: Sequence[SetView]) -> dict[str, int]:
    every = [*old, *([new] if new else [])]
    wanted = sum(one.replicas for one in every)
    available = sum(one.available for one in every)
    return {
        "replicas": sum(one.present for one in every),
        "updatedReplicas": new.present if new else 0,
        "readyReplicas": sum(number(one.object.status, "readyReplicas") for one in every),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
    }


def _has_moved(before: JsonObject, now: dict[str, int]) -> bool:
    """Tell whether more pods are new, fewer are old, or more serve than before."""
    was = {name: number(before, name) for name in COUNTERS}
    old_before, old_now = (one["replicas"] - one["updatedReplicas"] for one in (was, now))
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_now < old_before or any(now[name] > was[name] for name in grown)


def _availability(deployment: SetView, available: int) -> JsonObject:
    _, unavailable = bounds(deployment)
    if available >= deployment.replicas - unavailable:
        return _condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
        )
    said = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", said)


def _progress(
    deployment: SetView, new: SetView | None, now: float, *, is_paused: bool, is_done: bool, has_moved: bool
) -> tuple[JsonObject | None, float | None]:
    before = condition(deployment.object.body, "Progressing")
    seconds = number(deployment.object.spec, "progressDeadlineSeconds", default=600)
    about = f'ReplicaSet "{new.name}"' if new else f'Deployment "{deployment.name}"'
    if seconds >= FOREVER:
        return None, None
    if is_paused:
        return _condition("Progressing", "Unknown", PAUSED, "Deployment is paused"), None
    if is_done:
        return _condition("Progressing", "True", DONE, f"{about} has successfully progressed."), None
    if text(before, "reason") == DONE and not _is_other(deployment, new):
        return before, None  # it had come to its end: a pod that fails since then is no rollout
    if has_moved or not before or text(before, "reason") in (DONE, PAUSED):
        return _condition("Progressing", "True", "ReplicaSetUpdated", f"{about} is progressing."), seconds
    since = seconds_of(before.get("lastUpdateTime")) or now
    if text(before, "reason") == LATE or now - since >= seconds:
        return _condition("Progressing", "False", LATE, f"{about} has timed out progressing."), None
    return before, since + seconds - now


def _is_other(deployment: SetView, new: SetView | None) -> bool:
    """Tell whether a rollout has begun since the last one ended: another spec, or pods of an old template."""
    status = deployment.object.status
    is_newer = number(status, "observedGeneration") != number(
        deployment.object.body, "metadata", "generation"
    )
    return is_newer or new is None or number(status, "replicas") != number(status, "updatedReplicas")


def _condition(type: str, status: str, reason: str, message: str) -> JsonObject:
    return {"type": type, "status": status, "reason": reason, "message": message}


def _stamped(body: JsonObject, wanted: JsonObject, now: float, *, is_news: bool) -> JsonObject:
    """Return a condition with its times: when it became so, and when anything was last heard of it."""
    before = condition(body, str(wanted["type"]))
    said = ("status", "reason", "message")
    is_same = bool(before) and all(before.get(name) == wanted.get(name) for name in said)
    if is_same and not (is_news and wanted["type"] == "Progressing"):
        return before
    is_so = before.get("status") == wanted["status"]
    since = member(before, "lastTransitionTime") if is_so else None
    return {**wanted, "lastUpdateTime": time_text(now), "lastTransitionTime": since or time_text(now)}
