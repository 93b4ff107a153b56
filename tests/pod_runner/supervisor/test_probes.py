"""Probes: what their results come to, and what follows for the container."""

from __future__ import annotations

from typing import Any

import pytest

from pod_runner.manifests.container import HttpGetAction
from pod_runner.supervisor import client
from pod_runner.supervisor.asking import request_head
from pod_runner.supervisor.checks import judge_status_line
from pod_runner.supervisor.order import SOCKET
from pod_runner.supervisor.probes import Tally, Timing, Verdict, first_delay
from tests.pod_runner.supervisor.world import (
    World,
    condition,
    main_of,
    record,
    shell,
    until,
    wait_status,
)

SERVER = "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
FOREVER = "while :; do sleep 1000; done"


def probe(period: int = 1, failures: int = 1, **action: Any) -> dict[str, Any]:
    """Return a probe that asks every second."""
    return {"periodSeconds": period, "failureThreshold": failures, **action}


def command(text: str) -> dict[str, Any]:
    """Return the action of a shell command."""
    return {"exec": {"command": shell(text)}}


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ("", Verdict.UNKNOWN),
        ("+", Verdict.UNKNOWN),
        ("++", Verdict.SUCCESS),
        ("--", Verdict.UNKNOWN),
        ("---", Verdict.FAILURE),
        ("++--", Verdict.SUCCESS),
        ("++---", Verdict.FAILURE),
        ("++--+--", Verdict.SUCCESS),
        ("---+", Verdict.FAILURE),
        ("---++", Verdict.SUCCESS),
    ],
)
def test_so_many_in_a_row_are_a_verdict(results: str, verdict: Verdict) -> None:
    tally = Tally()
    for one in results:
        tally = tally.add(one == "+", "", Timing(successes=2, failures=3))
    assert tally.verdict is verdict


def test_the_first_question_comes_after_the_initial_delay() -> None:
    timing = Timing(initial_delay=5)
    assert [first_delay(timing, ran) for ran in (0, 3, 60)] == [5, 2, 0]


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        (b"HTTP/1.1 200 OK\r\n", True), (b"HTTP/1.0 399 x\r\n", True), (b"HTTP/1.1 400 Bad\r\n", False),
        (b"HTTP/1.1 199\r\n", False), (b"SSH-2.0-x\r\n", False), (b"", False),
        (b"HTTP/1.1 " + b"9" * 5000, False),
    ],
)  # fmt: skip
def test_a_status_line_is_judged(line: bytes, is_good: bool) -> None:
    assert judge_status_line(line)[0] is is_good


def test_headers_of_the_manifest_count_and_no_line_is_smuggled_in() -> None:
    action = HttpGetAction.model_validate({
        "port": 80, "path": "ok",
        "httpHeaders": [{"name": "host", "value": "web.example"}, {"name": "X", "value": "a\r\nEvil: b"}],
    })  # fmt: skip
    head = request_head(action, ("fd00::1", 80)).decode()
    assert head.startswith("GET /ok HTTP/1.1\r\nhost: web.example\r\nUser-Agent: kube-probe/")
    assert "X: a  Evil: b\r\n" in head and head.endswith("Connection: close\r\n\r\n")


def test_readiness_comes_and_goes_without_a_restart(world: World) -> None:
    folder = world.run(
        *shell(FOREVER), readinessProbe=probe(**command("test -e /tmp/ready")),
        lifecycle={"postStart": {"exec": {"command": shell("touch /tmp/ready")}}},
    )  # fmt: skip
    wait_status(folder, lambda status: condition(status, "Ready"))
    client.execute(folder / SOCKET, "main", ["/bin/rm", "/tmp/ready"], [0, 1, 2]).wait()
    status = wait_status(folder, lambda status: not condition(status, "Ready"))
    assert main_of(status)["started"] and not main_of(status)["ready"]
    assert main_of(status)["restartCount"] == 0 and status["phase"] == "Running"


def test_a_container_that_is_not_alive_is_restarted(world: World) -> None:
    folder = world.run(
        *shell("trap 'exit 0' TERM; while :; do sleep 0.02; done"),
        livenessProbe=probe(**command("echo ill; false")),
    )
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    ended = main_of(status)["lastState"]["terminated"]
    assert ended["message"] == "Container main failed liveness probe, will be restarted: ill"


def test_nothing_else_is_asked_before_the_startup_probe(world: World) -> None:
    folder = world.run(
        *shell("sleep 0.5; touch /tmp/up; " + FOREVER),
        startupProbe=probe(failures=30, **command("test -e /tmp/up")),
        livenessProbe=probe(**command("test -e /tmp/up")),
        readinessProbe=probe(**command("test -e /tmp/up")),
    )
    status = wait_status(folder, lambda status: "running" in main_of(status).get("state", {}))
    assert not main_of(status)["started"]
    status = wait_status(folder, lambda status: condition(status, "Ready"))
    assert main_of(status)["started"] and main_of(status)["restartCount"] == 0


def test_a_server_is_asked_from_within(world: World) -> None:
    folder = world.run(
        "/usr/bin/python3", "-c", SERVER, workingDir="/etc",
        ports=[{"name": "web", "containerPort": 8080}],
        startupProbe=probe(failures=30, tcpSocket={"port": "web"}),
        readinessProbe=probe(httpGet={"port": "web", "path": "/hostname"}),
        livenessProbe=probe(httpGet={"port": 8080, "path": "/no/such"}, failures=2),
        terminationGracePeriodSeconds=0,
    )  # fmt: skip
    wait_status(folder, lambda status: condition(status, "Ready"))
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    assert "statuscode: 404" in main_of(status)["lastState"]["terminated"]["message"]


def test_a_command_that_takes_too_long_is_a_failure_and_is_ended(world: World) -> None:
    folder = world.run(
        *shell(FOREVER), livenessProbe=probe(**command("sleep 1000")), terminationGracePeriodSeconds=0
    )
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    assert "timed out after 1 s" in main_of(status)["lastState"]["terminated"]["message"]
    until(lambda: client.status(folder / SOCKET)["phase"] == "Running")
    assert record(folder).containers["main"].runs == 2
