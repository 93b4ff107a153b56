"""This node's own object: what others have written there stays, what agent.toml no longer says goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pod_runner.node.admission import Room
from pod_runner.node.node_object import NodeFacts, fresh, look_at_room, told
from pod_runner.node.settings import RunnerSettings

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
FACTS = NodeFacts(
    "n1", Room(2.0, 1 << 30, 110), "10.0.0.1", {"disk": "fast"}, ("gpu=yes:NoSchedule",), ("10.244.1.0/24",),
    machine="x86_64", kernel="6.18", boot_id="b", version="1",
)  # fmt: skip


def test_it_says_what_the_scheduler_and_people_go_by() -> None:
    body: Any = fresh(FACTS, NOW)
    assert body["status"]["capacity"] == {"cpu": "2", "memory": "1048576Ki", "pods": "110"}
    assert body["status"]["addresses"][0] == {"type": "InternalIP", "address": "10.0.0.1"}
    assert body["metadata"]["labels"] == {
        "kubernetes.io/hostname": "n1", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "disk": "fast",
    }  # fmt: skip
    assert body["spec"]["taints"] == [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    assert body["spec"]["podCIDR"] == "10.244.1.0/24"
    (ready,) = body["status"]["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")


def test_said_again_it_is_the_same() -> None:
    body = fresh(FACTS, NOW)
    assert told(body, FACTS, LATER) == body


def test_marks_of_others_stay_and_ours_that_are_no_more_go() -> None:
    body: Any = fresh(FACTS, NOW)
    body["spec"] |= {
        "unschedulable": True,
        "taints": [*body["spec"]["taints"], {"key": "x", "effect": "NoExecute"}],
    }
    body["metadata"]["labels"]["theirs"] = "1"
    found: Any = told(body, replace(FACTS, labels={}, taints=()), LATER)
    assert found["spec"]["unschedulable"] and found["spec"]["taints"] == [{"key": "x", "effect": "NoExecute"}]
    assert found["metadata"]["labels"]["theirs"] == "1" and "disk" not in found["metadata"]["labels"]


def test_trouble_and_its_end_are_dated() -> None:
    sick: Any = told(fresh(FACTS, NOW), replace(FACTS, trouble="no network"), LATER)
    (ready,) = sick["status"]["conditions"]
    assert (ready["status"], ready["message"], ready["lastTransitionTime"]) == ("False", "no network", LATER)
    well: Any = told(sick, FACTS, NOW)
    assert well["status"]["conditions"][0]["lastTransitionTime"] == NOW


def test_room_is_read_from_the_machine() -> None:
    room = look_at_room("MemTotal:       1024 kB\nMemFree: 1 kB\n", 7)
    assert room.memory == 1 << 20 and room.pods == 7 and room.cpu >= 1


def test_the_store_is_the_proxys_where_that_is_one() -> None:
    assert RunnerSettings(store="etcd://a").store_url("directory:/b") == "etcd://a"
    assert RunnerSettings().store_url("directory:/b") == "directory:/b"
    own = "directory:/var/lib/podwire/cluster"
    assert (
        RunnerSettings().store_url("/etc/podwire/services") == own == RunnerSettings().store_url("kubernetes")
    )
