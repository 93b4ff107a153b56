"""A lab's agents serve services: pods are found by address, by name, from outside; services follow them."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from podwire.demo.dumps import difference
from podwire.demo.evenness import evenness
from podwire.lab.clients import ASKING
from podwire.lab.settling import LEAVE_PATIENCE
from tests.lab.conftest import Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root")

DEADLINE = 60.0  # seconds for a change to be everywhere
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}],
    },
}


def fetch(machine: Machine, where: str, host: str, port: int, times: int = 1) -> set[str]:
    """Return who answered, of so many requests."""
    program = [sys.executable, "-I", "-S", str(ASKING), host, str(port), str(times)]
    heard = json.loads(machine.lab("exec", where, "--", *program))
    assert not heard["failed"], f"{where} asks {host}: {heard['failures']}"
    return set(heard["answers"])


def await_ready(machine: Machine, node: str, number: int) -> None:
    """Wait until a node leads clients of the service to so many pods."""
    until = time.monotonic() + DEADLINE
    seen = None
    while time.monotonic() < until:
        shown = json.loads(machine.lab("exec", node, "--", "podwire", "service", "show", "web", "-o", "json"))
        seen = [one["pod"] for one in shown["back_ends"] if one["share"]]
        if len(seen) == number:
            return
    raise AssertionError(f"{node} leads to {seen}")


def test_a_service_is_reached_by_name_by_address_and_from_outside(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--nodes", "2")
    for node in ("node1", "node2"):
        assert machine.lab("pod", "add", node, "--label", "app=web", "--serve", "8080").startswith("pod2 ")
    machine.lab("exec", "node1", "--", "sh", "-c", f"echo '{json.dumps(SERVICE)}' >/run/web.json")
    machine.lab("exec", "node1", "--", "podwire", "service", "apply", "-f", "/run/web.json")
    await_ready(machine, "node2", 2)
    assert machine.lab("exec", "node2/pod1", "--", "cat", "/etc/resolv.conf").splitlines()[:2] == [
        "search default.svc.cluster.local svc.cluster.local cluster.local",
        "nameserver 10.96.0.10",
    ]
    both = {"node1/pod2", "node2/pod2"}
    for where, host, port in (
        ("node2/pod1", "web", 80),
        ("node1/pod1", "web.default.svc.cluster.local", 80),
        ("underlay", "198.18.0.1", 30080),
        ("node2", "198.18.0.2", 30080),
    ):
        assert fetch(machine, where, host, port, 40) == both
    machine.lab("pod", "ready", "node1", "pod2", "--no")
    await_ready(machine, "node2", 1)
    assert fetch(machine, "node2/pod1", "web", 80, 10) == {"node2/pod2"}
    machine.lab("pod", "ready", "node1", "pod2")
    await_ready(machine, "node2", 2)
    machine.lab("pod", "remove", "node2", "pod2")
    assert fetch(machine, "node2/pod1", "web", 80, 10) == {"node1/pod2"}
    began = time.monotonic()
    machine.lab("pod", "remove", "node1", "pod2")
    assert time.monotonic() - began < LEAVE_PATIENCE, "the last one is not waited for"
    machine.lab("down")
    assert difference(before, machine.dump()) == []


def test_a_lab_without_services_has_none(machine: Machine) -> None:
    machine.lab("up", "--nodes", "1", "--no-services")
    assert "podwire_services" not in machine.lab("exec", "node1", "--", "nft", "list", "tables")
    done = machine.attempt("pod", "add", "node1", "--label", "app=web")
    assert done.returncode == 1 and b"lab up --services" in done.stderr
    done = machine.attempt("exec", "node1", "--", "podwire", "service", "list")
    assert done.returncode == 1 and b"serves no services" in done.stderr


def test_a_label_is_a_key_and_a_value(machine: Machine) -> None:
    machine.lab("up", "--nodes", "1", "--pods", "0")
    done = machine.attempt("pod", "add", "node1", "--label", "web")
    assert done.returncode == 1 and b"KEY=VALUE" in done.stderr
    done = machine.attempt("pod", "ready", "node1", "pod9")
    assert done.returncode == 1 and b"--label" in done.stderr


@pytest.mark.parametrize(
    ("degrees", "value", "p"),  # of a printed table (NIST, critical values of chi-square)
    [(1, 3.841, 0.05), (2, 5.991, 0.05), (3, 7.815, 0.05), (4, 13.277, 0.01), (9, 21.666, 0.01)],
)
def test_p_values_are_those_of_the_tables(degrees: int, value: float, p: float) -> None:
    count = degrees + 1
    step = (value * 1e6 / 2) ** 0.5  # two counts differ from a million by this, the others not at all
    counts = [1e6] * count
    counts[0] += step
    counts[1] -= step
    assert evenness([*map(round, counts)]).p == pytest.approx(p, rel=0.01)


def test_what_is_even_is_likely_and_what_is_not_is_not() -> None:
    assert evenness([100, 100, 100]).p == 1.0
    assert evenness([150, 100, 50]).p < 1e-6
