"""Which pods may begin on a node, and what the others are told."""

from __future__ import annotations

import pytest

from pod_runner.node.actual import ActualPod
from pod_runner.node.admission import Room, refusal
from pod_runner.node.wanted import Demand, HostPort, WantedPod, wanted_pod
from tests.pod_runner.node.pods import asking, pod

ROOM = Room(cpu=2.0, memory=1 << 30, pods=3)


def here(uid: str, cpu: float = 0.0, memory: int = 0, ports: frozenset[HostPort] = frozenset()) -> ActualPod:
    return ActualPod(uid, demand=Demand(cpu, memory), host_ports=ports)


def new(cpu: str | None = None, memory: str | None = None, port: int = 0, address: str = "") -> WantedPod:
    ports = [{"containerPort": 80, "hostPort": port, "hostIP": address}] if port else []
    return wanted_pod(pod("new", containers=[asking(cpu, memory, ports)]))


@pytest.mark.parametrize(
    ("wanted", "others", "reason"),
    [
        (new("500m"), [here("a", 1.5)], None),
        (new("501m"), [here("a", 1.5)], "OutOfcpu"),
        (new(), [here("a", 5.0)], None),  # who asks for nothing gets in, as kubelet has it
        (new(memory="512Mi"), [here("a", memory=512 << 20)], None),
        (new(memory="513Mi"), [here("a", memory=512 << 20)], "OutOfmemory"),
        (new(), [here("a"), here("b"), here("c")], "OutOfpods"),
        (new(), [here("a"), here("b"), here("uid-new")], None),
        (new(port=80), [here("a", ports=frozenset({("", "UDP", 80)}))], None),
        (new(port=80), [here("a", ports=frozenset({("10.0.0.1", "TCP", 80)}))], "NodePorts"),
        (new(port=80, address="10.0.0.2"), [here("a", ports=frozenset({("10.0.0.1", "TCP", 80)}))], None),
    ],
)
def test_who_gets_in(wanted: WantedPod, others: list[ActualPod], reason: str | None) -> None:
    found = refusal(wanted, others, ROOM)
    assert (found.reason if found else None) == reason


def test_the_sentence_is_kubelets() -> None:
    found = refusal(new("600m"), [here("a", 1.5)], ROOM)
    assert found is not None
    said = "Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000"
    assert found.message == f"Pod was rejected: {said}"


def test_what_is_over_takes_no_room() -> None:
    assert refusal(new("2"), [ActualPod("a", is_over=True, demand=Demand(2.0))], ROOM) is None
