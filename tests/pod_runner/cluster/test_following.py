"""Followers of objects, over whatever happens to the registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread

import pytest

from cluster_store.store import Delete, Put
from pod_runner.cluster.following import ObjectFollower, Seen
from pod_runner.cluster.kinds import CONFIG_MAP, POD
from pod_runner.cluster.store import ClusterStore
from tests.cluster_store.conftest import registry, store
from tests.cluster_store.registries import Registry
from tests.pod_runner.cluster.test_store import named
from tests.pod_runner.registries import OpenStore

__all__ = ["registry", "store"]
WITHIN = 60.0  # seconds, on a busy machine


def gather(follower: ObjectFollower, is_enough: Callable[[list[Seen]], bool]) -> list[Seen]:
    """Return what is seen until it is enough."""
    found: list[Seen] = []
    end = time.monotonic() + WITHIN
    while not is_enough(found):
        assert time.monotonic() < end, found
        found += follower.next(0.2)
    return found


def test_all_there_is_comes_first_and_then_changes_in_order(opened: OpenStore) -> None:
    cluster = ClusterStore(opened())
    cluster.create(named("Pod", "a", spec={"x": 1}))
    follower = ClusterStore(opened()).follow((POD, CONFIG_MAP))
    assert [one.ref.name for one in gather(follower, bool)] == ["a"]
    cluster.create(named("ConfigMap", "c"))
    cluster.change(POD, "default", "a", lambda body: {**body, "spec": {"x": 2}})
    created, changed = sorted(gather(follower, lambda found: len(found) == 2), key=lambda one: one.ref)
    assert created.before is None and created.now is not None and created.now.name == "c"
    assert changed.before is not None and changed.before.spec == {"x": 1}
    assert changed.now is not None and changed.now.spec == {"x": 2}
    cluster.delete(CONFIG_MAP, "default", "c")
    (gone,) = gather(follower, bool)
    assert gone.now is None and gone.before == created.now
    assert [one.name for one in follower.objects.values()] == ["a"]
    follower.close()
    assert follower.next() == []


def test_a_commit_of_many_keys_comes_as_one(opened: OpenStore) -> None:
    writer = opened()
    follower = ClusterStore(opened()).follow((POD,))
    follower.next(5.0)
    bodies = {f"p{number}": f'{{"metadata":{{"namespace":"d","name":"p{number}"}}}}' for number in range(50)}
    writer.commit((), [Put(POD.key("d", name), body) for name, body in bodies.items()])
    assert len(follower.next(WITHIN)) == 50
    follower.close()


def test_what_is_no_object_counts_as_gone_and_is_named(opened: OpenStore) -> None:
    writer = opened()
    cluster = ClusterStore(writer)
    cluster.create(named("Pod", "a"))
    follower = ClusterStore(opened()).follow((POD,))
    gather(follower, bool)
    key = POD.key("default", "a")
    writer.commit((), [Put(key, "{")])
    assert [one.now for one in gather(follower, bool)] == [None]
    assert key in follower.refused
    writer.commit((), [Delete(key)])
    cluster.create(named("Pod", "b"))
    assert [one.ref.name for one in gather(follower, bool)] == ["b"]
    assert not follower.refused
    follower.close()


def test_other_keys_are_kept_as_items(opened: OpenStore) -> None:
    writer = opened()
    follower = ObjectFollower(opened(), (POD,), ("/podwire/heartbeats/",))
    follower.next(5.0)
    writer.commit((), [Put("/podwire/heartbeats/n1", "{}"), Put("/podwire/else", "x")])
    end = time.monotonic() + WITHIN
    while not follower.items and time.monotonic() < end:
        follower.next(0.2)
    assert list(follower.items) == ["/podwire/heartbeats/n1"]
    follower.close()


def test_close_ends_a_wait_of_another_thread(opened: OpenStore) -> None:
    follower = ClusterStore(opened()).follow((POD,))
    follower.next(5.0)
    waiting = Thread(target=follower.next, args=(60.0,))
    waiting.start()
    follower.close()
    waiting.join(WITHIN)
    assert not waiting.is_alive()


def test_after_lost_history_only_the_difference_is_told(registry: Registry) -> None:
    """The registry breaks down, forgets, comes back: what went meanwhile is told, what stayed is not."""
    writer = ClusterStore(registry.open())
    for name in ("stays", "goes"):
        writer.create(named("Pod", name))
    follower = ClusterStore(registry.open()).follow((POD,))
    gather(follower, lambda found: len(found) == 2)
    registry.break_down()
    end = time.monotonic() + WITHIN
    while not follower.trouble:
        assert follower.next(0.2) == [] and time.monotonic() < end
    assert len(follower.objects) == 2
    registry.start()
    writer.delete(POD, "default", "goes")
    writer.create(named("Pod", "new"))
    registry.forget_history()
    seen = gather(follower, lambda found: len(found) >= 2)
    assert {(one.ref.name, one.now is None) for one in seen} == {("goes", True), ("new", False)}
    assert not follower.trouble
    follower.close()
    writer.close()


def test_a_wiped_registry_is_told_as_it_is(registry: Registry) -> None:
    writer = ClusterStore(registry.open())
    for name in ("a", "b", "c"):
        writer.create(named("Pod", name))
    follower = ClusterStore(registry.open()).follow((POD,))
    gather(follower, lambda found: len(found) == 3)
    registry.wipe()
    anew = ClusterStore(registry.open())
    anew.create(named("Pod", "b"))
    end = time.monotonic() + WITHIN
    while [one.name for one in follower.objects.values()] != ["b"]:
        follower.next(0.2)
        assert time.monotonic() < end, follower.objects
    follower.close()
    anew.close()
    writer.close()


@pytest.mark.parametrize(
    "key", ["/podwire/pods/x", "/podwire/pods//x", "/podwire/secrets/a/b", "/podwire/nodes/a/b"]
)
def test_keys_of_nothing_known_are_left_alone(opened: OpenStore, key: str) -> None:
    writer = opened()
    writer.commit((), [Put(key, "{")])
    follower = ClusterStore(opened()).follow((POD, CONFIG_MAP))
    assert follower.next(5.0) == [] and follower.is_synced and not follower.refused
    follower.close()
