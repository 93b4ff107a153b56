"""A pod's STATUS, READY and RESTARTS in kubectl's words (kubernetes/pkg/printers, printPod). Pure."""

from __future__ import annotations

from typing import NamedTuple

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, rows, text
from pod_runner.cluster.metadata import seconds_of
from podwire.cluster.ages import duration

OVER = ("Succeeded", "Failed")
LOST = "NodeLost"  # status.reason of a pod whose node nobody hears of


class PodWords(NamedTuple):
    """What a row says of a pod. `restarted`: when it was last, seconds of the epoch; None: never."""

    status: str
    ready: int
    containers: int
    restarts: int
    restarted: float | None

    @property
    def readiness(self) -> str:
        """Return READY, as "1/2"."""
        return f"{self.ready}/{self.containers}"

    def restarts_text(self, now: float) -> str:
        """Return RESTARTS, as "3 (5m ago)"; `now` in seconds of the epoch."""
        if not self.restarts or self.restarted is None:
            return str(self.restarts)
        return f"{self.restarts} ({duration(now - self.restarted)} ago)"


def words_of(pod: JsonObject) -> PodWords:
    """Say how a pod is."""
    sidecars = _sidecars(pod)
    total = len(rows(pod, "spec", "containers")) + len(sidecars)
    begun = rows(pod, "status", "initContainerStatuses")
    init = _initialization(pod, begun, sidecars)
    ready = sum(is_true(one, "ready") for one in begun if text(one, "name") in sidecars)
    if init and not condition_holds(pod, "Initialized"):
        return PodWords(_over_all(pod, init), ready, total, *_restarts(begun))
    running = rows(pod, "status", "containerStatuses")
    ready += sum(is_true(one, "ready") and _state(one, "running") is not None for one in running)
    counted = [*(one for one in begun if text(one, "name") in sidecars), *running]
    return PodWords(_over_all(pod, _status(pod, running)), ready, total, *_restarts(counted))


def condition_holds(body: JsonObject, kind: str) -> bool:
    """Tell whether a condition of an object's status is True."""
    return any(
        text(one, "type") == kind and text(one, "status") == "True"
        for one in rows(body, "status", "conditions")
    )


def _over_all(pod: JsonObject, status: str) -> str:
    """Return the status of a pod that may be on its way out."""
    if member(pod, "metadata", "deletionTimestamp") is None:
        return status
    if text(pod, "status", "reason") == LOST:
        return "Unknown"
    return status if text(pod, "status", "phase") in OVER else "Terminating"


def _initialization(pod: JsonObject, statuses: list[JsonObject], sidecars: set[str]) -> str:
    """Return what its init containers are at, "" when they have done their work."""
    for index, one in enumerate(statuses):
        ended, waiting = _state(one, "terminated"), text(one, "state", "waiting", "reason")
        if ended is not None and number(ended, "exitCode") == 0:
            continue
        if text(one, "name") in sidecars and is_true(one, "started"):
            continue
        if ended is not None:
            return f"Init:{_ending(ended)}"
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{len(rows(pod, 'spec', 'initContainers'))}"
    return ""


def _status(pod: JsonObject, statuses: list[JsonObject]) -> str:
    """Return what its containers are at: the first one that has something to say."""
    status = text(pod, "status", "reason") or text(pod, "status", "phase") or "Pending"
    for one in reversed(statuses):
        ended, waiting = _state(one, "terminated"), text(one, "state", "waiting", "reason")
        if waiting:
            status = waiting
        elif ended is not None:
            status = _ending(ended)
    runs = any(is_true(one, "ready") and _state(one, "running") is not None for one in statuses)
    if status == "Completed" and runs:
        return "Running" if condition_holds(pod, "Ready") else "NotReady"
    return status


def _ending(ended: JsonObject) -> str:
    if reason := text(ended, "reason"):
        return reason
    signal = number(ended, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(ended, 'exitCode')}"


def _restarts(statuses: list[JsonObject]) -> tuple[int, float | None]:
    ends = [seconds_of(member(one, "lastState", "terminated", "finishedAt")) for one in statuses]
    count = sum(number(one, "restartCount") for one in statuses)
    return count, max((one for one in ends if one is not None), default=None)


def _state(status: JsonObject, kind: str) -> JsonObject | None:
    found = member(status, "state", kind)
    return found if isinstance(found, dict) else None


def _sidecars(pod: JsonObject) -> set[str]:
    return {
        text(one, "name") for one in rows(pod, "spec", "initContainers")
        if text(one, "restartPolicy") == "Always"
    }  # fmt: skip
