"""What a supervisor tells -> the status of the Pod object, and what a person hears of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, rows, table, text, texts
from pod_runner.node.admission import Refusal

OVER = ("Succeeded", "Failed")
FAILURES = (
    "ErrImagePull", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerError",
    "CreateContainerConfigError", "RunContainerError", "StartError", "CannotRun",
)  # fmt: skip
NORMAL, WARNING = "Normal", "Warning"
Told = tuple[str, str, str]  # type, reason, message


def merged(before: JsonObject, told: JsonObject) -> JsonObject:
    """Return an object's status with all that the supervisor tells; conditions of others' types stay."""
    ours = {text(one, "type") for one in rows(told, "conditions")}
    others = [one for one in rows(before, "conditions") if text(one, "type") not in ours]
    kept = {text(one, "type"): one for one in rows(before, "conditions")}
    mine = [_condition(one, kept.get(text(one, "type"), {})) for one in rows(told, "conditions")]
    status = {**told, "conditions": [*mine, *others]} if mine or others else dict(told)
    if "qosClass" in before:
        status["qosClass"] = before["qosClass"]
    return status


def _condition(told: JsonObject, before: JsonObject) -> JsonObject:
    """Keep since when it is so, if the object says that it is."""
    if told.get("status") == before.get("status") and "lastTransitionTime" in before:
        return {**told, "lastTransitionTime": before["lastTransitionTime"]}
    return told


def refused(before: JsonObject, why: Refusal, now: str) -> JsonObject:
    """Return the status of a pod that may not begin here."""
    return {**before, "phase": "Failed", "reason": why.reason, "message": why.message, "startTime": now}


def is_ready(status: JsonObject) -> bool:
    """Tell whether a status says that the pod serves."""
    return any(
        text(one, "type") == "Ready" and text(one, "status") == "True" for one in rows(status, "conditions")
    )


def is_over(status: JsonObject) -> bool:
    """Tell whether a status says that all containers have ended for good."""
    return text(status, "phase") in OVER


def happenings(before: JsonObject, now: JsonObject) -> Iterator[Told]:
    """Yield what has happened between two statuses, in kubelet's words."""
    for key in ("initContainerStatuses", "containerStatuses"):
        known = {text(one, "name"): one for one in rows(before, key)}
        for one in rows(now, key):
            yield from _of_container(known.get(text(one, "name"), {}), one)
    for sentence in texts(now, "podwire", "limitsNotApplied"):
        if sentence not in texts(before, "podwire", "limitsNotApplied"):
            yield WARNING, "LimitNotApplied", sentence
    for sentence in texts(now, "podwire", "troubles"):
        if sentence not in texts(before, "podwire", "troubles"):
            yield WARNING, "Trouble", sentence


def _of_container(before: JsonObject, now: JsonObject) -> Iterator[Told]:
    name = text(now, "name")
    last_state = {"terminated": table(now, "lastState", "terminated")}
    for state in (last_state, table(now, "state")):  # what ended and was started again since is told, too
        ended = table(state, "terminated")
        if text(ended, "reason") == "OOMKilled" and ended not in _endings(before):
            yield WARNING, "OOMKilling", f"Container {name} was killed: its memory limit was reached"
    started = text(now, "state", "running", "startedAt")
    if started and (started, _restarts(now)) != (
        text(before, "state", "running", "startedAt"),
        _restarts(before),
    ):
        yield NORMAL, "Started", f"Started container {name}"
    reason = text(now, "state", "waiting", "reason")
    if reason and reason != text(before, "state", "waiting", "reason"):
        message = text(now, "state", "waiting", "message")
        if reason == "CrashLoopBackOff":
            yield WARNING, "BackOff", f"Back-off restarting failed container {name}"
        elif reason in FAILURES:
            yield WARNING, "Failed", f"Container {name}: {reason}{': ' + message if message else ''}"
    if is_true(before, "ready") and not is_true(now, "ready") and member(now, "state", "running") is not None:
        yield WARNING, "Unhealthy", f"Container {name} is not ready any more"


def _restarts(status: JsonObject) -> int:
    return number(status, "restartCount")


def _endings(status: JsonObject) -> list[JsonObject]:
    return [table(status, "state", "terminated"), table(status, "lastState", "terminated")]
