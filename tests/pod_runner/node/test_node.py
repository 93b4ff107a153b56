"""The loop: what is wanted of a node comes to be, whoever is killed or away meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_store.store import Put
from pod_runner.cluster.kinds import CONFIG_MAP, EVENT, POD
from pod_runner.node.known import BAD_POD
from pod_runner.node.orders import read_folder, write_order
from pod_runner.node.wanted import BY_HAND, SOURCE
from pod_runner.supervisor.order import PodOrder
from tests.pod_runner.node.conftest import World, wait_for
from tests.pod_runner.node.pods import asking, pod
from tests.pod_runner.node.test_reports import Fickle


def alive(world: World) -> int:
    return sum(one.poll() is None for one in world.pretenders.processes)


def gone(world: World, name: str, uid: str) -> None:
    wait_for(lambda: world.get(name) is None and not world.place(uid).exists(), f"{name} is still there")


def test_a_pod_begins_and_is_told_of_and_ends_without_a_trace(world: World) -> None:
    world.start()
    found = world.run("a")
    order = read_folder(world.place(found.uid))
    assert order is not None and order.node.name == "n1" and order.pod["spec"] == found.body["spec"]
    assert world.status("a")["podIP"] == "10.0.0.9"
    world.cluster.delete(POD, "default", "a")
    gone(world, "a", found.uid)
    wait_for(lambda: alive(world) == 0)
    reasons = {str(one.body["reason"]) for one in world.cluster.list(EVENT)}
    assert {"Started", "Killing"} <= reasons


def test_pods_of_other_nodes_are_none_of_ours(world: World) -> None:
    world.create("theirs", node="n2")
    world.create("nobodys", node="")
    world.start()
    world.run("a")
    assert len(list(world.place("").iterdir())) == 1


def test_a_node_that_is_started_anew_leaves_its_pods_alone(world: World) -> None:
    world.start()
    found = world.run("a")
    world.stop()
    assert alive(world) == 1
    node = world.start()
    wait_for(lambda: len(world.asked(found.uid)) == 2)  # it is listened to again
    world.run("b")
    assert len(world.pretenders.processes) == 2 and node.known.local[found.uid].is_supervised


def test_what_vanished_while_the_node_was_away_ends(world: World) -> None:
    world.start()
    found, kept = world.run("a"), world.run("kept")
    world.stop()
    world.cluster.delete(POD, "default", "a", grace=0)
    world.start()
    gone(world, "a", found.uid)
    wait_for(lambda: alive(world) == 1)
    assert world.place(kept.uid).exists()


def test_what_is_forgotten_by_force_ends(world: World) -> None:
    world.start()
    found = world.run("a")
    world.cluster.delete(POD, "default", "a", grace=0)
    gone(world, "a", found.uid)
    wait_for(lambda: alive(world) == 0)


def test_a_killed_supervisor_is_followed_by_another(world: World) -> None:
    node = world.start()
    found = world.run("a")
    for number in range(1, 3):
        world.kill_supervisors()
        wait_for(lambda number=number: len(world.asked(found.uid)) == 1 + number)  # type: ignore[misc]
    wait_for(lambda: node.known.local[found.uid].is_supervised)
    assert node.known.local[found.uid].deaths == 2


def test_supervisors_that_die_at_once_have_pauses_and_the_pod_can_be_deleted(world: World) -> None:
    world.start()
    found, good = world.create("a", labels={"dies": "1"}), world.run("good")
    wait_for(lambda: len(world.pretenders.processes) >= 4)
    world.cluster.delete(POD, "default", "a")
    gone(world, "a", found.uid)
    assert len(world.pretenders.processes) < 12 and world.place(good.uid).exists()


def test_one_that_speaks_nonsense_harms_nobody_else(world: World) -> None:
    world.start()
    world.create("rude", labels={"rude": "1"})
    found = world.run("a")
    world.cluster.delete(POD, "default", "a")
    gone(world, "a", found.uid)


@pytest.mark.parametrize("uid", ["../../etc", "", 7, "a/b"])
def test_a_pod_that_cannot_be_one_is_a_condition_and_others_run(world: World, uid: object) -> None:
    body = pod("evil")
    body["metadata"]["uid"] = uid
    world.cluster.store.commit((), [Put(POD.key("default", "evil"), json.dumps(body))])
    node = world.start()
    world.run("a")
    assert [one["about"] for one in node.conditions.as_json() if one["name"] == BAD_POD] == ["default/evil"]
    assert len(list(world.place("").iterdir())) == 1


def test_one_for_which_there_is_no_room_fails_in_kubelets_words(world: World) -> None:
    world.start()
    world.run("a", containers=[asking("3")])
    world.create("b", containers=[asking("2")])
    wait_for(lambda: world.status("b").get("phase") == "Failed")
    assert world.status("b")["reason"] == "OutOfcpu"
    world.cluster.delete(POD, "default", "b")
    wait_for(lambda: world.get("b") is None)
    assert len(world.pretenders.processes) == 1


def test_a_status_is_written_when_the_registry_is_back(tmp_path: Path) -> None:
    world = World(tmp_path, Fickle)
    store = Fickle(tmp_path / "store")
    try:
        node = world.start()
        found = world.create("a")
        store.away.touch()
        wait_for(lambda: node.parts.reports.waiting)
        assert "phase" not in world.status("a") and alive(world) == 1
        store.away.unlink()
        wait_for(lambda: world.status("a").get("phase") == "Running")
        store.away.touch()
        world.kill_supervisors()  # a pod goes on without the registry
        wait_for(lambda: len(world.asked(found.uid)) == 2)
    finally:
        store.away.unlink(missing_ok=True)
        world.stop()
        world.pretenders.kill_all()


def test_a_status_that_somebody_spoilt_is_said_again(world: World) -> None:
    world.start()
    world.run("a")
    world.cluster.change(POD, "default", "a", lambda body: body | {"status": {"phase": "Unknown"}})
    wait_for(lambda: world.status("a").get("phase") == "Running")


def test_a_changed_configmap_reaches_the_pods_that_use_it(world: World) -> None:
    world.cluster.create({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1"}})
    world.start()
    volumes = [{"name": "v", "configMap": {"name": "c"}}]
    found, other = world.run("a", volumes=volumes), world.run("other")
    world.cluster.change(CONFIG_MAP, "default", "c", lambda body: body | {"data": {"k": "2"}})
    wait_for(lambda: {"ask": "refresh"} in world.asked(found.uid))
    order = read_folder(world.place(found.uid))
    assert order is not None and order.config_maps == {"c": {"k": "2"}}
    assert {"ask": "refresh"} not in world.asked(other.uid)


def test_pods_made_by_hand_are_kept_and_garbage_is_not(world: World) -> None:
    by_hand = pod("hand", uid="hand")
    by_hand["metadata"]["annotations"] = {SOURCE: BY_HAND}
    places = replace(world.settings.places(), address="10.0.0.1")
    write_order(PodOrder(by_hand, places))
    write_order(PodOrder(pod("left", uid="left"), places))
    (world.place("") / "stray-file").touch()
    node = world.start()
    wait_for(lambda: not world.place("left").exists() and "hand" in node.known.local)
    wait_for(lambda: node.known.local["hand"].is_supervised)
    assert (world.place("") / "stray-file").exists()


def test_static_pods_follow_their_folder_without_any_store(tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
    text += "  - {name: main, image: host, command: [x]}\n"
    (manifests / "web.yaml").write_text(text)
    (manifests / "bad.yaml").write_text("kind: Pod\nspec: 7\n")
    world = World(tmp_path, Fickle, static_pods=str(manifests))
    (tmp_path / "away").touch()
    try:
        node = world.start()
        wait_for(lambda: alive(world) == 1)
        (first,) = world.place("").iterdir()
        order = read_folder(first)
        assert order is not None and order.pod["metadata"]["name"] == "web-n1"  # type: ignore[index]
        assert any(one["about"] == "bad.yaml" for one in node.conditions.as_json())
        (manifests / "web.yaml").write_text(text.replace("[x]", "[y]"))
        wait_for(lambda: not first.exists() and alive(world) == 1)
        (manifests / "web.yaml").unlink()
        wait_for(lambda: alive(world) == 0 and not list(world.place("").iterdir()))
    finally:
        (tmp_path / "away").unlink(missing_ok=True)
        world.stop()
        world.pretenders.kill_all()
