"""A supervisor's words in an object's status, and what a person hears of them."""

from __future__ import annotations

from typing import Any

import pytest

from pod_runner.node.statuses import happenings, is_ready, merged
from pod_runner.supervisor.status import (
    ContainerState,
    ContainerStatus,
    PodFacts,
    Running,
    Terminated,
    Waiting,
    pod_status,
)

NOW = 1_800_000_000.0


def status(state: ContainerState, *, ready: bool = True, now: float = NOW, **more: Any) -> dict[str, object]:
    container = ContainerStatus("main", "host", state, ready=ready, **more)
    return pod_status(PodFacts((container,), has_sandbox=True), now)


def test_conditions_of_others_stay_and_times_too() -> None:
    before: dict[str, Any] = status(Running(NOW))
    before["conditions"].append({"type": "example.com/gate", "status": "True"})
    after: Any = merged(before, status(Running(NOW), now=NOW + 60))
    assert after == before
    unready: Any = merged(before, status(Running(NOW), ready=False, now=NOW + 60))
    times = {one["type"]: one.get("lastTransitionTime") for one in unready["conditions"]}
    assert times["Ready"] != times["PodScheduled"] and "example.com/gate" in times


def test_what_another_said_of_readiness_is_said_anew() -> None:
    before: dict[str, Any] = status(Running(NOW))
    lost = {**before, "conditions": [{"type": "Ready", "status": "False", "reason": "NodeLost"}]}
    assert not is_ready(lost) and is_ready(merged(lost, before))


OOM = Terminated(137, "OOMKilled", NOW, NOW + 1, 9)
TABLE: list[tuple[dict[str, object], dict[str, object], list[str]]] = [
    ({}, status(Running(NOW)), ["Started"]),
    (status(Running(NOW)), status(Running(NOW)), []),
    (status(Running(NOW)), status(Running(NOW), ready=False), ["Unhealthy"]),
    (status(Running(NOW)), status(OOM), ["OOMKilling"]),
    (status(Running(NOW)), status(Waiting("CrashLoopBackOff"), last=OOM), ["OOMKilling", "BackOff"]),
    (status(OOM), status(Waiting("CrashLoopBackOff"), last=OOM), ["BackOff"]),
    (status(Running(NOW)), status(Running(NOW + 5), last=OOM, restarts=1), ["OOMKilling", "Started"]),
    ({}, status(Waiting("ErrImagePull", "no such image")), ["Failed"]),
    ({}, status(Waiting("ContainerCreating")), []),
]


@pytest.mark.parametrize(("before", "now", "reasons"), TABLE)
def test_what_has_happened(before: dict[str, object], now: dict[str, object], reasons: list[str]) -> None:
    assert [reason for _, reason, _ in happenings(before, now)] == reasons


def test_limits_that_were_not_applied_are_told_once() -> None:
    facts = PodFacts((ContainerStatus("main", "host"),), not_applied=("no cgroup has cpu",))
    now = pod_status(facts, NOW)
    assert [one[1:] for one in happenings({}, now)] == [("LimitNotApplied", "no cgroup has cpu")]
    assert not list(happenings(now, now))
