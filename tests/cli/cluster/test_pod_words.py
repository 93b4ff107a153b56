"""STATUS, READY and RESTARTS, case by case as kubernetes/pkg/printers has them (printers_test.go)."""

from __future__ import annotations

import pytest

from pod_runner.cluster.bodies import JsonObject, with_member
from podwire.cluster.pod_words import words_of
from tests.cli.cluster.bodies_of import NOW, RUNS, container, ended, pod, true, waiting

INIT: JsonObject = {"name": "first", "image": "host"}
SIDECAR: JsonObject = {"name": "side", "image": "host", "restartPolicy": "Always"}


def with_init(*init: JsonObject, statuses: list[JsonObject], **status: object) -> JsonObject:
    body = pod("web", **{"phase": "Pending", "initContainerStatuses": statuses, **status})
    return with_member(body, list(init), "spec", "initContainers")


RUNNING = pod(containerStatuses=[container(RUNS)])
DELETED = with_member(RUNNING, "2026-11-18T11:07:00Z", "metadata", "deletionTimestamp")
DONE = container(ended(0, "Completed"))
CASES = {
    "nothing is known yet": (pod(phase=""), "Pending", "0/1"),
    "the phase alone": (pod(phase="Pending"), "Pending", "0/1"),
    "a reason of the whole pod": (pod(phase="Failed", reason="OutOfcpu"), "OutOfcpu", "0/1"),
    "it runs": (pod(containerStatuses=[container(RUNS)]), "Running", "1/1"),
    "it runs and is not ready": (pod(containerStatuses=[container(RUNS, ready=False)]), "Running", "0/1"),
    "it is made": (
        pod(phase="Pending", containerStatuses=[container(waiting("ContainerCreating"))]),
        "ContainerCreating", "0/1",
    ),
    "it crashes": (
        pod(containerStatuses=[container(waiting("CrashLoopBackOff"))]), "CrashLoopBackOff", "0/1",
    ),
    "it ran out of memory": (pod(containerStatuses=[container(ended(137, "OOMKilled"))]), "OOMKilled", "0/1"),
    "it is done": (pod(phase="Succeeded", containerStatuses=[DONE]), "Completed", "0/1"),
    "an exit code": (pod(containerStatuses=[container(ended(3))]), "ExitCode:3", "0/1"),
    "a signal": (pod(containerStatuses=[container(ended(137, signal=9))]), "Signal:9", "0/1"),
    "the first that has something to say": (
        pod(containerStatuses=[container(waiting("ErrImagePull")), container(ended(1, "Error"), "b")]),
        "ErrImagePull", "0/1",
    ),
    "one is done, one runs, it is ready": (
        pod(containerStatuses=[DONE, container(RUNS, "b")], conditions=[true("Ready")]),
        "Running", "1/1",
    ),
    "one is done, one runs, it is not ready": (
        pod(containerStatuses=[DONE, container(RUNS, "b")]), "NotReady", "1/1",
    ),
    "it is deleted": (DELETED, "Terminating", "1/1"),
    "deleted and over": (with_member(DELETED, "Succeeded", "status", "phase"), "Succeeded", "1/1"),
    "deleted, and its node is lost": (with_member(DELETED, "NodeLost", "status", "reason"), "Unknown", "1/1"),
    "the first init container is at work": (
        with_init(INIT, statuses=[container(RUNS, "first")]), "Init:0/1", "0/1",
    ),
    "the second one": (
        with_init(INIT, INIT, statuses=[container(ended(0), "first"), container(waiting(""), "b")]),
        "Init:1/2", "0/1",
    ),
    "an init container failed": (
        with_init(INIT, statuses=[container(ended(1, "Error"), "first")]), "Init:Error", "0/1",
    ),
    "an init container failed without a reason": (
        with_init(INIT, statuses=[container(ended(9), "first")]), "Init:ExitCode:9", "0/1",
    ),
    "an init container crashes": (
        with_init(INIT, statuses=[container(waiting("CrashLoopBackOff"), "first")]),
        "Init:CrashLoopBackOff", "0/1",
    ),
    "a sidecar runs beside": (
        with_init(
            SIDECAR, statuses=[container(RUNS, "side", started=True)], conditions=[true("Initialized")],
            containerStatuses=[container(RUNS)],
        ),
        "Pending", "2/2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_pod_is_called_as_kubectl_calls_it(case: str) -> None:
    body, status, ready = CASES[case]
    words = words_of(body)
    assert (words.status, words.readiness) == (status, ready)


def test_restarts_say_when_the_last_one_was() -> None:
    last = ended(1, finishedAt="2026-11-18T11:04:40Z")
    body = pod(
        containerStatuses=[
            container(RUNS, restartCount=2, lastState=last),
            container(RUNS, "b", restartCount=1),
        ]
    )
    assert words_of(body).restarts_text(NOW) == "3 (2m ago)"
    assert words_of(pod()).restarts_text(NOW) == "0"


@pytest.mark.parametrize(
    "spoilt", [{}, {"status": 3}, {"spec": []}, {"status": {"containerStatuses": [{"state": "x"}, 3]}}]
)
def test_what_anybody_wrote_is_no_error(spoilt: JsonObject) -> None:
    assert words_of(spoilt).containers == 0
