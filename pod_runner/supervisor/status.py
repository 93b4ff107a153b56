"""What a pod has become, in Kubernetes' words: ContainerStatus, PodStatus, phase and conditions. Pure.

The supervisor writes `pod_status` to `status.json` and to whoever watches; the node's agent merges it into
the object's status. Times are seconds since 1970 here, RFC 3339 there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

JsonObject = dict[str, object]

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "PodScheduled")


@dataclass(frozen=True)
class Waiting:
    """Not running, but it is to be: why."""

    reason: str = "ContainerCreating"
    message: str = ""


@dataclass(frozen=True)
class Running:
    """A process runs, since."""

    started_at: float


@dataclass(frozen=True)
class Terminated:
    """A process has ended. `signal` 0: it ended by itself."""

    exit_code: int
    reason: str
    started_at: float
    finished_at: float
    signal: int = 0
    message: str = ""
    container_id: str = ""


ContainerState = Waiting | Running | Terminated


@dataclass(frozen=True)
class ContainerStatus:
    """One container. `is_done`: nothing will run it again."""

    name: str
    image: str
    state: ContainerState = Waiting()
    last: Terminated | None = None
    ready: bool = False
    started: bool = False
    restarts: int = 0
    image_id: str = ""
    container_id: str = ""
    is_done: bool = False
    is_sidecar: bool = False


@dataclass(frozen=True)
class PodFacts:
    """Everything a pod's status is made of."""

    containers: tuple[ContainerStatus, ...]
    init_containers: tuple[ContainerStatus, ...] = ()
    restart_policy: str = "Always"
    was_initialized: bool = False
    has_sandbox: bool = False
    failed: str = ""  # a reason for which the whole pod has failed
    is_stopping: bool = False
    addresses: tuple[str, ...] = ()
    host_address: str = ""
    started_at: float = 0.0
    message: str = ""
    not_applied: tuple[str, ...] = ()
    troubles: tuple[str, ...] = field(default=())


def pod_status(facts: PodFacts, now: float, before: Mapping[str, object] | None = None) -> JsonObject:
    """Return a PodStatus; a condition that is as `before` keeps the time of its last transition."""
    status: JsonObject = {
        "phase": phase(facts),
        "conditions": _conditions(facts, now, before or {}),
        "hostIP": facts.host_address,
        "podIP": facts.addresses[0] if facts.addresses else "",
        "podIPs": [{"ip": one} for one in facts.addresses],
        "startTime": rfc3339(facts.started_at),
        "initContainerStatuses": [container_status(one) for one in facts.init_containers],
        "containerStatuses": [container_status(one) for one in facts.containers],
        "reason": facts.failed,
        "message": facts.message,
    }
    status = {key: value for key, value in status.items() if value not in ("", [])}
    told = {"limitsNotApplied": list(facts.not_applied), "troubles": list(facts.troubles)}
    if any(told.values()):
        status["podwire"] = {key: value for key, value in told.items() if value}
    return status


def phase(facts: PodFacts) -> str:
    """Return the phase as kubelet's getPhase() decides it."""
    if facts.failed:
        return FAILED
    if not is_initialized(facts):
        failed = any(
            one.is_done and not _went_well(one) for one in facts.init_containers if not one.is_sidecar
        )
        return FAILED if failed else PENDING
    if facts.containers and all(one.is_done for one in facts.containers):
        return SUCCEEDED if all(_went_well(one) for one in facts.containers) else FAILED
    if any(isinstance(one.state, Waiting) and one.last is None for one in facts.containers):
        return PENDING
    return RUNNING


def is_initialized(facts: PodFacts) -> bool:
    """Tell whether every init container has done its work: ended well, or started where it is a sidecar."""
    return facts.was_initialized or all(
        one.started if one.is_sidecar else _went_well(one) for one in facts.init_containers
    )


def container_status(one: ContainerStatus) -> JsonObject:
    """Return a ContainerStatus."""
    return {
        "name": one.name,
        "image": one.image,
        "imageID": one.image_id,
        "containerID": one.container_id,
        "state": _state(one.state),
        "lastState": _state(one.last) if one.last else {},
        "ready": one.ready,
        "started": one.started,
        "restartCount": one.restarts,
    }


def rfc3339(seconds: float) -> str:
    """Return a time as objects have it, whole seconds in UTC; "" for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def _went_well(one: ContainerStatus) -> bool:
    return isinstance(one.state, Terminated) and one.state.exit_code == 0


def _state(state: ContainerState) -> JsonObject:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason} | ({"message": state.message} if state.message else {})}
    if isinstance(state, Running):
        return {"running": {"startedAt": rfc3339(state.started_at)}}
    ended: JsonObject = {
        "exitCode": state.exit_code,
        "signal": state.signal,
        "reason": state.reason,
        "message": state.message,
        "startedAt": rfc3339(state.started_at),
        "finishedAt": rfc3339(state.finished_at),
        "containerID": state.container_id,
    }
    return {"terminated": {key: value for key, value in ended.items() if value or key == "exitCode"}}


def _conditions(facts: PodFacts, now: float, before: Mapping[str, object]) -> list[JsonObject]:
    """Return the conditions; one that holds says no reason."""
    unready = [one.name for one in facts.containers if not one.ready]
    is_over = phase(facts) in (SUCCEEDED, FAILED)
    ready_reason = "PodCompleted" if phase(facts) == SUCCEEDED else "ContainersNotReady"
    said = {
        "PodReadyToStartContainers": (facts.has_sandbox and not is_over, "", ""),
        "Initialized": (
            is_initialized(facts), "ContainersNotInitialized", _named("incomplete", _incomplete(facts)),
        ),
        "ContainersReady": (not unready, ready_reason, _named("unready", unready)),
        "Ready": (not unready and not facts.is_stopping, ready_reason, _named("unready", unready)),
        "PodScheduled": (True, "", ""),
    }  # fmt: skip
    previous = {str(one.get("type")): one for one in _objects(before.get("conditions"))}
    return [_condition(kind, *said[kind], now, previous.get(kind, {})) for kind in CONDITIONS]


def _condition(
    kind: str, holds: bool, reason: str, message: str, now: float, previous: Mapping[str, object]
) -> JsonObject:
    status = str(holds)
    since = previous.get("lastTransitionTime") if previous.get("status") == status else None
    body: JsonObject = {"type": kind, "status": status, "lastTransitionTime": since or rfc3339(now)}
    if not holds and reason:
        body |= {"reason": reason} | ({"message": message} if message else {})
    return body


def _incomplete(facts: PodFacts) -> list[str]:
    return [
        one.name for one in facts.init_containers if not (one.started if one.is_sidecar else _went_well(one))
    ]


def _named(what: str, names: Iterable[str]) -> str:
    listed = " ".join(names)
    return f"containers with {what} status: [{listed}]" if listed else ""


def _objects(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
