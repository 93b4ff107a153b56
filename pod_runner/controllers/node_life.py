"""Nodes that are lost, or say that they are not ready: their condition, their taints, their pods. Pure.

A lost node is "Unknown", which kubectl shows as NotReady. Its pods are not ready at once, so that services
leave them out; after a while they are forgotten, and made anew elsewhere. A node that comes back finds that
their objects have vanished, and ends them. Times are seconds of the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, rows, text, with_member
from pod_runner.cluster.metadata import time_text
from pod_runner.controllers.conditions import condition, with_condition
from pod_runner.controllers.taints import NOT_READY, OURS, UNREACHABLE, leaves_at
from pod_runner.controllers.views import NodeView, PodView, Taint

LOST, BACK = "NodeStatusUnknown", "KubeletReady"  # reasons, in Kubernetes' words


@dataclass(frozen=True)
class Evictions:
    """What is to become of a node's pods; `again_at`: when the next one's time is up."""

    unready: tuple[PodView, ...] = ()
    end: tuple[PodView, ...] = ()  # by their node, with their grace
    forget: tuple[PodView, ...] = ()  # at once: their node cannot be asked
    again_at: float | None = None


def judged(node: NodeView, now: float, *, is_lost: bool, has_heartbeat: bool) -> JsonObject:
    """Return a node with the condition and the taints that it is to have."""
    body = node.object.body
    before = condition(body, "Ready")
    if is_lost and before.get("status") != "Unknown":
        body = with_condition(
            body, _ready("Unknown", LOST, "The node's agent has stopped to say that it lives."), now
        )
    elif has_heartbeat and before.get("reason") == LOST:
        body = with_condition(body, _ready("True", BACK, "The node's agent says that it lives."), now)
    return _tainted(node, body, now)


def _ready(status: str, reason: str, message: str) -> JsonObject:
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def _tainted(node: NodeView, body: JsonObject, now: float) -> JsonObject:
    """Return the body with the taints that follow from its Ready condition."""
    status = text(condition(body, "Ready"), "status")
    wanted = {"Unknown": UNREACHABLE, "False": NOT_READY}.get(status, "")
    found = rows(body, "spec", "taints")
    kept = [one for one in found if one.get("key") not in OURS or one.get("key") == wanted]
    present = {text(one, "effect") for one in kept if one.get("key") == wanted}
    added = [
        {"key": wanted, "effect": effect, "timeAdded": time_text(now)}
        for effect in ("NoSchedule", "NoExecute")
        if wanted and effect not in present
    ]
    return with_member(body, [*kept, *added], "spec", "taints") if added or len(kept) < len(found) else body


def evictions(
    node: NodeView, pods: Iterable[PodView], now: float, *, eviction: float, lost_since: float | None
) -> Evictions:
    """Decide on the pods of a node. `lost_since`: None of a node that is heard of."""
    unready: list[PodView] = []
    end: list[PodView] = []
    forget: list[PodView] = []
    later: list[float] = []
    taints = _dated(node.taints, lost_since)
    for pod in pods:
        if lost_since is not None and pod.is_ready and not pod.is_over:
            unready.append(pod)
        at = _leaves_at(pod, taints, eviction, lost_since)
        if at is None:
            continue
        if at > now:
            later.append(at)
        else:
            (end if lost_since is None else forget).append(pod)
    unready = [pod for pod in unready if pod not in forget]
    return Evictions(tuple(unready), tuple(end), tuple(forget), min(later, default=None))


def _leaves_at(
    pod: PodView, taints: Sequence[Taint], eviction: float, lost_since: float | None
) -> float | None:
    if pod.object.is_terminating:  # it ends already; if its node is lost, nobody will say so
        return None if lost_since is None else lost_since + eviction
    return None if pod.is_over else leaves_at(pod, taints, eviction)


def _dated(taints: Sequence[Taint], lost_since: float | None) -> list[Taint]:
    """Return the taints that count. That a node is lost is known better than its taint says.

    The taint has whole seconds, and stays through a doubt: all nodes fell silent, and this one may come back.
    """
    if lost_since is None:
        return [one for one in taints if one.key != UNREACHABLE]
    others = [one for one in taints if one.key not in OURS]
    return [*others, Taint(UNREACHABLE, "", "NoExecute", lost_since)]


def as_unready(pod: PodView, now: float) -> JsonObject:
    """Return a pod that does not serve, since its node is lost."""
    said: JsonObject = {
        "type": "Ready",
        "status": "False",
        "reason": "NodeLost",
        "message": "The node is lost.",
    }
    return with_condition(pod.object.body, said, now)
