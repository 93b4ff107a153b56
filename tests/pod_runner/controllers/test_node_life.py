"""Nodes that are lost: when, and what becomes of their pods. From values to values."""

from __future__ import annotations

import pytest

from pod_runner.cluster.bodies import JsonObject, rows, with_member
from pod_runner.cluster.metadata import time_text
from pod_runner.cluster.objects import Object
from pod_runner.controllers.conditions import condition
from pod_runner.controllers.node_life import as_unready, evictions, judged
from pod_runner.controllers.pulse import Pulse
from pod_runner.controllers.taints import NOT_READY, UNREACHABLE
from pod_runner.controllers.views import NodeView, PodView
from tests.pod_runner.controllers.test_scheduling import node, pod

NOW = 1_795_000_000.0
TTL = 10.0


def beat(pulse: Pulse, heartbeats: str, now: float, nodes: str = "abc") -> dict[str, float]:
    pulse.look(list(nodes), set(heartbeats), now)
    return dict(pulse.lost)


def test_a_heartbeat_that_goes_is_a_node_that_is_lost() -> None:
    pulse = Pulse(TTL)
    assert beat(pulse, "abc", 0) == {}
    assert beat(pulse, "ac", 5) == {"b": 5}
    assert beat(pulse, "ac", 7) == {"b": 5}
    assert beat(pulse, "abc", 8) == {}


def test_a_node_that_was_never_heard_of_has_time_to_say_something() -> None:
    pulse = Pulse(TTL)
    assert beat(pulse, "ab", 0) == {} and pulse.next_at() == TTL
    assert beat(pulse, "ab", 9.9) == {}
    assert beat(pulse, "ab", TTL) == {"c": TTL}


def test_when_all_hearts_stop_at_once_nobody_draws_conclusions() -> None:
    pulse = Pulse(TTL)
    beat(pulse, "abc", 0)
    assert beat(pulse, "", 5) == {} and pulse.is_blackout
    assert beat(pulse, "", 14.9) == {}
    assert sorted(beat(pulse, "", 15)) == ["a", "b", "c"] and pulse.is_blackout
    assert beat(pulse, "a", 20) == {} and not pulse.is_blackout  # the others have time again
    assert beat(pulse, "a", 29) == {}
    assert sorted(beat(pulse, "a", 30)) == ["b", "c"]


def test_a_node_that_is_removed_is_not_lost() -> None:
    pulse = Pulse(TTL)
    beat(pulse, "abc", 0)
    beat(pulse, "ab", 1)
    assert beat(pulse, "ab", 2, nodes="ab") == {} and pulse.next_at() is None


def of(found: NodeView, body: JsonObject) -> NodeView:
    return NodeView(Object(found.object.ref, body))


def test_a_lost_node_is_unknown_and_tainted_and_comes_back_as_it_was() -> None:
    before = node("a", taints=[{"key": "own", "effect": "NoSchedule"}])
    lost = of(before, judged(before, NOW, is_lost=True, has_heartbeat=False))
    assert lost.ready == "Unknown"
    assert [(one.key, one.effect) for one in lost.taints] == [
        ("own", "NoSchedule"),
        (UNREACHABLE, "NoSchedule"),
        (UNREACHABLE, "NoExecute"),
    ]
    assert judged(lost, NOW + 1, is_lost=True, has_heartbeat=False) is lost.object.body
    back = of(lost, judged(lost, NOW + 9, is_lost=False, has_heartbeat=True))
    assert back.ready == "True" and [one.key for one in back.taints] == ["own"]
    assert judged(back, NOW + 10, is_lost=False, has_heartbeat=True) is back.object.body


def test_a_node_that_says_itself_that_it_is_not_ready_is_tainted() -> None:
    sick = node("a", ready="False")
    found = of(sick, judged(sick, NOW, is_lost=False, has_heartbeat=True))
    assert found.ready == "False" and {one.key for one in found.taints} == {NOT_READY}


def test_a_node_that_says_nothing_yet_is_left_alone() -> None:
    new = NodeView(
        Object(node("a").object.ref, with_member(node("a").object.body, [], "status", "conditions"))
    )
    assert judged(new, NOW, is_lost=False, has_heartbeat=True) is new.object.body


def running(name: str, tolerations: list[JsonObject] | None = None) -> PodView:
    body = with_member(
        pod(name, nodeName="a", tolerations=tolerations or []).object.body, "Running", "status", "phase"
    )
    body = with_member(body, [{"type": "Ready", "status": "True"}], "status", "conditions")
    return PodView(Object(pod(name).object.ref, body))


def test_pods_of_a_lost_node_do_not_serve_at_once_and_are_forgotten_later() -> None:
    lost, pods = node("a"), [running("p"), running("q")]
    at_once = evictions(lost, pods, NOW, eviction=30, lost_since=NOW)
    assert list(at_once.unready) == pods and not at_once.forget and at_once.again_at == NOW + 30
    later = evictions(lost, pods, NOW + 30, eviction=30, lost_since=NOW)
    assert list(later.forget) == pods and not later.unready and not later.end
    unready = as_unready(pods[0], NOW)
    assert condition(unready, "Ready")["status"] == "False"


@pytest.mark.parametrize(
    ("tolerations", "leaves_after"),
    [
        ([], 30),
        ([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 5}], 5),
        ([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}], 300),
        ([{"operator": "Exists"}], None),
        ([{"key": NOT_READY, "operator": "Exists"}], 30),
    ],
)
def test_toleration_seconds(tolerations: list[JsonObject], leaves_after: float | None) -> None:
    found = evictions(node("a"), [running("p", tolerations=tolerations)], NOW, eviction=30, lost_since=NOW)
    assert found.again_at == (None if leaves_after is None else NOW + leaves_after)


def test_a_pod_that_ends_on_a_lost_node_is_forgotten_whatever_it_tolerates() -> None:
    body = running("p", tolerations=[{"operator": "Exists"}]).object.body
    ending = with_member(body, time_text(NOW), "metadata", "deletionTimestamp")
    found = evictions(
        node("a"), [PodView(Object(pod("p").object.ref, ending))], NOW + 30, eviction=30, lost_since=NOW
    )
    assert len(found.forget) == 1


def test_a_taint_of_a_person_ends_pods_on_a_node_that_lives() -> None:
    tainted = node("a", taints=[{"key": "own", "effect": "NoExecute", "timeAdded": time_text(NOW)}])
    staying = running("q", tolerations=[{"key": "own", "operator": "Exists"}])
    found = evictions(tainted, [running("p"), staying], NOW, eviction=30, lost_since=None)
    assert [one.ref.name for one in found.end] == ["p"] and not found.forget and not found.unready


def test_a_node_in_doubt_keeps_its_pods_though_its_taint_is_still_there() -> None:
    before = node("a")
    doubted = of(before, judged(before, NOW, is_lost=True, has_heartbeat=False))
    found = evictions(doubted, [running("p")], NOW + 99, eviction=30, lost_since=None)
    assert not found.end and not found.forget and found.again_at is None


def test_nonsense_in_a_node_does_not_raise() -> None:
    bodies: tuple[JsonObject, ...] = (
        {"status": 3, "spec": 4},
        {"status": {"conditions": [1, {}]}, "spec": {"taints": {}}},
    )
    for body in bodies:
        odd = NodeView(Object(node("a").object.ref, body))
        made = judged(odd, NOW, is_lost=True, has_heartbeat=False)
        assert len(rows(made, "spec", "taints")) == 2
