"""ClusterStore on a folder and on etcd."""

from __future__ import annotations

from threading import Thread

import pytest

from cluster_store.store import Put
from pod_runner.cluster.bodies import JsonObject, number, table, text, with_member
from pod_runner.cluster.events import about, record
from pod_runner.cluster.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, NAMESPACE, POD, REPLICA_SET
from pod_runner.cluster.metadata import owner_reference
from pod_runner.cluster.objects import BadObject
from pod_runner.cluster.selectors import parse_selector
from pod_runner.cluster.store import AlreadyExists, ClusterError, ClusterStore, NotFound, Outdated
from tests.pod_runner.registries import OpenStore

NOW = 1_795_000_000.0  # seconds of the epoch: 2026-11-18 11:06:40 UTC


def named(kind: str, name: str, namespace: str = "default", **rest: object) -> JsonObject:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


@pytest.fixture
def cluster(opened: OpenStore) -> ClusterStore:
    return ClusterStore(opened(), clock=lambda: NOW)


def test_what_is_created_is_found_with_what_kubernetes_adds(cluster: ClusterStore) -> None:
    cluster.create(named("ConfigMap", "a", data={"k": "v"}))
    found = cluster.get(CONFIG_MAP, "default", "a")
    assert found is not None and found.version > 0 and found.uid
    assert found.body["data"] == {"k": "v"} and found.body["apiVersion"] == "v1"
    assert text(found.body, "metadata", "creationTimestamp") == "2026-11-18T11:06:40Z"
    assert number(found.body, "metadata", "generation") == 1


def test_a_second_one_of_that_name_is_refused(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "a"))
    with pytest.raises(AlreadyExists, match='pods "a" already exists'):
        cluster.create(named("Pod", "a"))


def test_a_namespace_must_be_there_and_not_be_going(cluster: ClusterStore) -> None:
    with pytest.raises(NotFound, match='namespaces "shop" not found'):
        cluster.create(named("Pod", "a", "shop"))
    cluster.create({"kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.create(named("Pod", "a", "shop"))
    cluster.delete(NAMESPACE, "", "shop")
    shop = cluster.get(NAMESPACE, "", "shop")
    assert shop is not None and shop.is_terminating
    with pytest.raises(ClusterError, match="is being deleted"):
        cluster.create(named("Pod", "b", "shop"))


def test_a_new_spec_is_a_new_generation_and_a_status_is_none(cluster: ClusterStore) -> None:
    cluster.create(named("Deployment", "web", spec={"replicas": 1}))
    cluster.change(DEPLOYMENT, "default", "web", lambda body: with_member(body, 3, "status", "replicas"))
    before = cluster.get(DEPLOYMENT, "default", "web")
    assert before is not None and number(before.body, "metadata", "generation") == 1
    cluster.change(DEPLOYMENT, "default", "web", lambda body: with_member(body, 3, "spec", "replicas"))
    after = cluster.get(DEPLOYMENT, "default", "web")
    assert after is not None and number(after.body, "metadata", "generation") == 2
    assert after.uid == before.uid


def test_an_update_over_what_has_changed_is_refused(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "a", spec={}))
    read = cluster.get(POD, "default", "a")
    assert read is not None
    cluster.update({**read.body, "spec": {"x": 1}}, read.version)
    with pytest.raises(Outdated):
        cluster.update({**read.body, "spec": {"x": 2}}, read.version)
    now = cluster.get(POD, "default", "a")
    assert now is not None and now.spec == {"x": 1}


def test_no_change_is_lost_among_many_writers(cluster: ClusterStore, opened: OpenStore) -> None:
    cluster.create(named("ConfigMap", "count", data={"n": 0}))

    def add(own: ClusterStore) -> None:
        for _ in range(10):
            own.change(CONFIG_MAP, "default", "count", _plus_one)

    threads = [Thread(target=add, args=(ClusterStore(opened()),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = cluster.get(CONFIG_MAP, "default", "count")
    assert found is not None and table(found.body, "data") == {"n": 30}


def _plus_one(body: JsonObject) -> JsonObject:
    return with_member(body, number(body, "data", "n") + 1, "data", "n")


def test_lists_are_by_namespace_and_by_labels(cluster: ClusterStore) -> None:
    cluster.create({"kind": "Namespace", "metadata": {"name": "default-2"}})
    for name, namespace, app in (("a", "default", "x"), ("b", "default", "y"), ("c", "default-2", "x")):
        body = named("Pod", name, namespace)
        cluster.create(with_member(body, {"app": app}, "metadata", "labels"))
    assert [one.name for one in cluster.list(POD)] == ["a", "b", "c"]
    assert [one.name for one in cluster.list(POD, "default")] == ["a", "b"]
    assert [one.name for one in cluster.list(POD, selector=parse_selector("app=x"))] == ["a", "c"]


def test_a_pod_on_a_node_is_marked_and_one_on_none_goes_at_once(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "there", spec={"nodeName": "n1", "terminationGracePeriodSeconds": 20}))
    cluster.create(named("Pod", "nowhere", spec={}))
    for name in ("there", "nowhere"):
        cluster.delete(POD, "default", name)
    assert cluster.get(POD, "default", "nowhere") is None
    there = cluster.get(POD, "default", "there")
    assert there is not None
    assert text(there.body, "metadata", "deletionTimestamp") == "2026-11-18T11:07:00Z"
    cluster.delete(POD, "default", "there", grace=3)  # hurried
    there = cluster.get(POD, "default", "there")
    assert there is not None and number(there.body, "metadata", "deletionGracePeriodSeconds") == 3
    cluster.delete(POD, "default", "there")  # a longer grace does not slow it down
    there = cluster.get(POD, "default", "there")
    assert there is not None and text(there.body, "metadata", "deletionTimestamp") == "2026-11-18T11:06:43Z"
    cluster.remove(there)
    cluster.begin_delete(there)
    assert cluster.get(POD, "default", "there") is None


def test_remove_spares_another_one_of_that_name(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "a"))
    first = cluster.get(POD, "default", "a")
    assert first is not None
    cluster.remove(first)
    cluster.create(named("Pod", "a"))
    cluster.remove(first)
    cluster.begin_delete(first)
    assert cluster.get(POD, "default", "a") is not None


def test_orphans_stay_without_their_owner(cluster: ClusterStore) -> None:
    cluster.create(named("ReplicaSet", "web"))
    owner = cluster.get(REPLICA_SET, "default", "web")
    assert owner is not None
    cluster.create(with_member(named("Pod", "a"), [owner_reference(owner)], "metadata", "ownerReferences"))
    cluster.delete(REPLICA_SET, "default", "web", orphan=True)
    pod = cluster.get(POD, "default", "a")
    assert pod is not None and table(pod.body, "metadata")["ownerReferences"] == []


def test_nonsense_under_a_key_is_named_and_left_out_of_lists(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "good"))
    for name, value in {"bad": "{", "list": "[]", "other": '{"metadata":{"name":"x"}}'}.items():
        cluster.store.commit((), [Put(POD.key("default", name), value)])
    assert [one.name for one in cluster.list(POD)] == ["good"]
    with pytest.raises(BadObject, match="/podwire/pods/default/bad"):
        cluster.get(POD, "default", "bad")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "Secret", "metadata": {"name": "a"}},
        {"kind": "Pod"},
        named("Pod", "a/b"),
        named("Pod", "a", "b/c"),
    ],
)
def test_what_does_not_say_what_it_is_is_refused(cluster: ClusterStore, body: JsonObject) -> None:
    with pytest.raises(BadObject):
        cluster.create(body)


def test_the_same_event_is_counted(cluster: ClusterStore) -> None:
    cluster.create(named("Pod", "a"))
    pod = cluster.get(POD, "default", "a")
    assert pod is not None
    for _ in range(3):
        record(cluster, about(pod, "Pulled", "image is there", "node"))
    record(cluster, about(pod, "Started", "started", "node"))
    counts = {text(one.body, "reason"): number(one.body, "count") for one in cluster.list(EVENT)}
    assert counts == {"Pulled": 3, "Started": 1}
