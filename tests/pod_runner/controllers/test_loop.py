"""The controllers on a folder and on etcd, with pretend nodes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from cluster_store.store import Delete, Put
from pod_runner.cluster.bodies import number, text, with_member
from pod_runner.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
)
from pod_runner.cluster.store import ClusterError, ClusterStore
from pod_runner.controllers.conditions import condition
from pod_runner.controllers.controllers import Controllers
from pod_runner.controllers.leading import LEADER
from pod_runner.controllers.pulse import HEARTBEATS
from pod_runner.controllers.telling import rollout_status
from tests.cluster_store.conftest import registry
from tests.cluster_store.registries import EtcdRegistry, Registry
from tests.pod_runner.controllers.conftest import QUICK, WITHIN, World
from tests.pod_runner.controllers.made import deployment, template

__all__ = ["registry"]


def started(world: World, nodes: int = 3) -> None:
    for index in range(nodes):
        world.add_node(f"n{index}")
    world.add_copy()


def test_a_deployment_becomes_pods_on_all_nodes_and_is_updated_and_scaled(world: World) -> None:
    started(world)
    world.cluster.create(deployment(replicas=6))
    world.wait_ready(6, "1")
    assert Counter(pod.node for pod in world.pods()) == {"n0": 2, "n1": 2, "n2": 2}
    world.wait(lambda: rollout_status(world.get(DEPLOYMENT, "web")).is_done)
    world.edit(
        DEPLOYMENT, "web", lambda body: with_member(body, template("2", {"app": "web"}), "spec", "template")
    )
    world.wait_ready(6, "2")
    world.edit(DEPLOYMENT, "web", lambda body: with_member(body, 2, "spec", "replicas"))
    world.wait_ready(2, "2")
    world.wait(lambda: number(world.get(DEPLOYMENT, "web").status, "readyReplicas") == 2)
    world.wait(lambda: {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"} <= world.reasons())
    assert len(world.cluster.list(REPLICA_SET)) == 2


def test_a_rolling_update_is_never_below_what_it_may_be(world: World) -> None:
    """Every state of the store that a follower sees is within the bounds."""
    started(world)
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    world.cluster.create(deployment(replicas=4, strategy=strategy))
    world.wait_ready(4)
    follower = world.cluster.follow((POD,))
    follower.next(5.0)
    world.edit(
        DEPLOYMENT, "web", lambda body: with_member(body, template("2", {"app": "web"}), "spec", "template")
    )
    end = time.monotonic() + 30
    while not rollout_status(world.get(DEPLOYMENT, "web")).is_done:
        assert time.monotonic() < end
        follower.next(0.2)
        active = [one for one in follower.objects.values() if not one.is_terminating]
        ready = [one for one in active if text(condition(one.body, "Ready"), "status") == "True"]
        assert len(active) <= 5 and len(ready) >= 4
    follower.close()
    world.wait_ready(4, "2")


def test_a_dead_nodes_pods_come_back_elsewhere_and_it_may_return(world: World) -> None:
    started(world)
    world.cluster.create(deployment(replicas=6))
    world.wait_ready(6)
    world.nodes["n1"].die()
    world.wait(
        lambda: {pod.node for pod in world.pods() if pod.is_ready} == {"n0", "n2"} and len(world.pods()) == 6
    )
    dead = world.cluster.get(NODE, "", "n1")
    assert dead is not None and condition(dead.body, "Ready")["status"] == "Unknown"
    world.wait(lambda: "NodeNotReady" in world.reasons())
    world.add_node("n1")

    def is_back() -> bool:
        found = world.cluster.get(NODE, "", "n1")
        return (
            found is not None
            and not found.spec["taints"]
            and condition(found.body, "Ready")["status"] == "True"
        )

    world.wait(is_back)
    world.edit(DEPLOYMENT, "web", lambda body: with_member(body, 9, "spec", "replicas"))
    world.wait_ready(9)
    assert Counter(pod.node for pod in world.pods())["n1"] == 3


def test_when_all_nodes_fall_silent_nothing_is_moved(world: World) -> None:
    started(world, nodes=2)
    world.cluster.create(deployment(replicas=4))
    world.wait_ready(4)
    before = {(pod.uid, pod.node) for pod in world.pods()}
    for one in list(world.nodes.values()):
        one.die()
    world.store.commit((), [Delete(HEARTBEATS + name) for name in world.nodes])
    (copy,) = world.copies
    world.wait(lambda: copy.status()["lost_nodes"] == ["n0", "n1"])
    assert all(pod.is_ready for pod in world.pods())
    for name in ("n0", "n1"):
        world.add_node(name)
    world.wait(lambda: copy.status()["lost_nodes"] == [])
    world.wait_ready(4)
    assert {(pod.uid, pod.node) for pod in world.pods()} == before


def test_a_pod_that_fits_nowhere_says_why_and_goes_where_it_fits_later(world: World) -> None:
    world.add_node("small", cpu="1")
    world.add_copy()
    asking = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}
    world.cluster.create({"kind": "Pod", "metadata": {"name": "big"}, "spec": asking})
    why = "0/1 nodes are available: 1 Insufficient cpu."
    world.wait(lambda: condition(world.get(POD, "big").body, "PodScheduled").get("message") == why)
    world.wait(lambda: "FailedScheduling" in world.reasons())
    world.add_node("large", cpu="4")
    world.wait(lambda: text(world.get(POD, "big").spec, "nodeName") == "large")
    assert condition(world.get(POD, "big").body, "PodScheduled")["status"] == "True"


def test_what_is_deleted_takes_along_what_it_controls(world: World) -> None:
    started(world, nodes=2)
    world.cluster.create(deployment(replicas=5))
    world.wait_ready(5)
    world.cluster.delete(DEPLOYMENT, "default", "web")
    world.wait(lambda: not world.cluster.list(POD) and not world.cluster.list(REPLICA_SET))


def test_what_is_orphaned_stays_and_is_adopted_again(world: World) -> None:
    started(world, nodes=2)
    world.cluster.create({**deployment(replicas=2), "kind": "ReplicaSet"})
    world.wait_ready(2)
    before = {pod.uid for pod in world.pods()}
    world.cluster.delete(REPLICA_SET, "default", "web", orphan=True)
    world.wait(lambda: all(not pod.owner for pod in world.pods()))
    world.cluster.create({**deployment(replicas=3), "kind": "ReplicaSet"})
    world.wait_ready(3)
    assert before < {pod.uid for pod in world.pods()}


def test_a_namespace_that_is_deleted_goes_with_all_in_it(world: World) -> None:
    started(world, nodes=2)
    world.cluster.create({"kind": "Namespace", "metadata": {"name": "shop"}})
    body = with_member(deployment(replicas=3), "shop", "metadata", "namespace")
    world.cluster.create(body)
    world.cluster.create({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}})
    world.cluster.create({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}})
    world.wait_ready(3)
    world.cluster.delete(NAMESPACE, "", "shop")
    world.wait(lambda: world.cluster.get(NAMESPACE, "", "shop") is None)
    kinds = (POD, REPLICA_SET, DEPLOYMENT, EVENT)
    assert [one for kind in kinds for one in world.cluster.list(kind, "shop")] == []
    assert [one.namespace for one in world.cluster.list(CONFIG_MAP)] == ["default"]


def test_pods_of_a_node_that_is_removed_are_made_elsewhere(world: World) -> None:
    started(world, nodes=2)
    world.cluster.create(deployment(replicas=4))
    world.wait_ready(4)
    world.nodes["n0"].die()
    world.cluster.delete(NODE, "", "n0")
    world.wait(lambda: {pod.node for pod in world.pods()} == {"n1"} and len(world.pods()) == 4)


def test_nonsense_in_the_store_harms_nobody(world: World) -> None:
    started(world, nodes=2)
    (copy,) = world.copies
    odd = {
        POD.key("default", "a"): "{",
        POD.key("default", "b"): '{"metadata":{"name":"b","namespace":"default"},"spec":{"nodeName":7}}',
        POD.key(
            "default", "c"
        ): '{"metadata":{"name":"c","namespace":"default","ownerReferences":[{"uid":[]}]}}',
        NODE.key("", "d"): '{"metadata":{"name":"d"},"status":[]}',
        DEPLOYMENT.key(
            "default", "e"
        ): '{"metadata":{"name":"e","namespace":"default"},"spec":{"selector":1}}',
        REPLICA_SET.key("none", "f"): '{"metadata":{"name":"f","namespace":"none","labels":3},"spec":[]}',
        EVENT.key("default", "g"): '{"metadata":{"name":"g","namespace":"default"},"count":"many"}',
        HEARTBEATS + "nobody/at/all": "",
    }
    world.store.commit((), [Put(key, value) for key, value in odd.items()])
    world.cluster.create(deployment(replicas=3))
    world.wait_ready(5)  # and the pods "b" and "c", which somebody may want
    said = copy.conditions.as_json()
    assert [one["about"] for one in said if one["name"] == "BadObject"] == [POD.key("default", "a")]
    world.store.commit((), [Delete(key) for key in odd])
    world.wait_ready(3)


def test_an_owner_that_becomes_unreadable_does_not_lose_what_it_controls(world: World) -> None:
    started(world, nodes=1)
    world.cluster.create(deployment(replicas=2))
    world.wait_ready(2)
    before = {pod.uid for pod in world.pods()}
    (own,) = world.cluster.list(REPLICA_SET)
    world.store.commit((), [Put(own.ref.key, "not JSON")])
    (copy,) = world.copies
    world.wait(lambda: any(one["name"] == "BadObject" for one in copy.conditions.as_json()))
    world.cluster.create({"kind": "Pod", "metadata": {"name": "later"}, "spec": {}})
    world.wait(lambda: text(world.get(POD, "later").spec, "nodeName") != "")
    assert before < {pod.uid for pod in world.pods()}


def test_old_events_go(world: World) -> None:
    world.add_copy()
    world.wait(lambda: world.cluster.get(NAMESPACE, "", "default") is not None)
    for start in range(0, 240, 80):
        made = [
            Put(
                EVENT.key("default", f"e{index}"),
                f'{{"metadata":{{"name":"e{index}","namespace":"default"}},'
                f'"lastTimestamp":"2026-01-01T00:0{index // 60}:{index % 60:02}Z"}}',
            )
            for index in range(start, start + 80)
        ]
        world.store.commit((), made)
    world.wait(lambda: len(world.cluster.list(EVENT)) <= 220)
    left = {one.name for one in world.cluster.list(EVENT)}
    assert "e239" in left and "e0" not in left


def test_one_copy_acts_and_another_takes_over_at_once_when_it_stops(world: World) -> None:
    started(world, nodes=2)
    first = world.copies[0]
    world.wait(lambda: bool(first.status()["leader"]))
    second = world.add_copy()
    world.wait(lambda: bool(second.status()["synced"]))
    world.cluster.create(deployment(replicas=2))
    world.wait_ready(2)
    assert not second.status()["leader"]
    first.stop()
    world.edit(DEPLOYMENT, "web", lambda body: with_member(body, 4, "spec", "replicas"))
    world.wait_ready(4)
    assert second.status()["leader"]


def test_a_leader_that_was_deposed_writes_nothing_any_more(world: World) -> None:
    started(world, nodes=1)
    (copy,) = world.copies
    world.wait(lambda: bool(copy.status()["leader"]))
    world.store.commit((), [Put(LEADER, '{"holder":"somebody else"}')])
    world.cluster.create(deployment(replicas=2))
    world.wait(lambda: not copy.status()["leader"])
    assert not world.cluster.list(REPLICA_SET) and not world.pods()
    world.store.commit((), [Delete(LEADER)])
    world.wait_ready(2)


def test_the_default_namespace_is_made_and_cannot_be_deleted(world: World) -> None:
    world.add_copy()
    world.wait(lambda: world.cluster.get(NAMESPACE, "", "default") is not None)
    with pytest.raises(ClusterError, match='namespaces "default" is forbidden'):
        world.cluster.delete(NAMESPACE, "", "default")


def test_large_pods_are_made_in_commits_that_the_store_takes(world: World) -> None:
    started(world, nodes=1)
    env = [{"name": "rev", "value": "1"}, {"name": "large", "value": "x" * 90_000}]
    body = with_member(
        deployment(replicas=24), [{"name": "c", "env": env}], "spec", "template", "spec", "containers"
    )
    world.cluster.create(body)
    world.wait(lambda: len(world.pods()) == 24)
    (copy,) = world.copies
    assert copy.conditions.as_json() == []


def test_the_controllers_go_on_when_the_store_comes_back(registry: Registry) -> None:
    """Nothing is asked of it in between but now and then, and what changed while it was away is done."""
    url = (
        "etcd://127.0.0.1:2379"
        if isinstance(registry, EtcdRegistry)
        else registry.open().name.replace(" ", ":")
    )
    copy = Controllers(url, QUICK)
    copy.start()
    cluster = ClusterStore(registry.open())
    cluster.create(deployment(replicas=2))
    wait_for(lambda: len(cluster.list(POD)) == 2)
    registry.break_down()
    wait_for(lambda: any(one["name"] == "StoreLost" for one in copy.conditions.as_json()))
    used = time.process_time()
    time.sleep(0.5)  # it is away for a while
    assert time.process_time() - used < 0.3
    registry.start()
    cluster.change(DEPLOYMENT, "default", "web", lambda body: with_member(body, 4, "spec", "replicas"))
    wait_for(lambda: len(cluster.list(POD)) == 4 and copy.conditions.as_json() == [])
    copy.stop()
    cluster.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)  # the test follows nothing here: its registry breaks down
