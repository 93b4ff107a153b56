"""What is told to a store: in the end it is there, whatever the registry did meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from cluster_store.conditions import Conditions
from cluster_store.directory import DirectoryStore
from cluster_store.store import Change, Check, StoreUnavailable
from pod_runner.cluster.kinds import EVENT, NODE, POD
from pod_runner.cluster.store import ClusterStore
from pod_runner.node import telling
from pod_runner.node.admission import Refusal, Room
from pod_runner.node.heartbeat import LOST, Heartbeat
from pod_runner.node.node_object import NodeFacts, heartbeat_key
from pod_runner.node.reports import AWAY, Reports
from pod_runner.node.wanted import WantedPod, wanted_pod
from tests.pod_runner.node.pods import pod

WITHIN = 60.0  # seconds
FACTS = NodeFacts("n1", Room(1.0, 1 << 30, 10), boot_id="boot")


class Fickle(DirectoryStore):
    """A registry that is away while a file says so."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.away = root.parent / "away"

    def commit(self, checks: Iterable[Check], changes: Sequence[Change]) -> None:
        """Commit, unless it is away."""
        if self.away.exists():
            raise StoreUnavailable("nobody answers")
        super().commit(checks, changes)

    def keep_alive(self, lease: int) -> int:
        """Keep a lease, unless it is away."""
        if self.away.exists():
            raise StoreUnavailable("nobody answers")
        return super().keep_alive(lease)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.005)  # a poll with a deadline


@pytest.fixture
def store(tmp_path: Path) -> Fickle:
    return Fickle(tmp_path / "store")


@pytest.fixture
def cluster(store: Fickle) -> ClusterStore:
    return ClusterStore(store)


@pytest.fixture
def conditions() -> Conditions:
    return Conditions()


@pytest.fixture
def reports(store: Fickle, tmp_path: Path, conditions: Conditions) -> Iterator[Reports]:
    found = Reports(lambda: Fickle(tmp_path / "store"), conditions)
    found.start()
    yield found
    found.stop()


def written(cluster: ClusterStore, name: str = "a") -> WantedPod:
    body = cluster.create(pod(name))
    return wanted_pod(body)


def phase(cluster: ClusterStore) -> object:
    found = cluster.get(POD, "default", "a")
    return found.status.get("phase") if found else None


def test_the_last_word_is_written_when_the_registry_is_back(
    cluster: ClusterStore, reports: Reports, store: Fickle, conditions: Conditions
) -> None:
    wanted = written(cluster)
    store.away.touch()
    reports.put(wanted.uid, telling.tell_status(wanted, {"phase": "Pending"}))
    wait_for(lambda: conditions.has(AWAY))
    reports.put(wanted.uid, telling.tell_status(wanted, {"phase": "Running"}))
    store.away.unlink()
    wait_for(lambda: phase(cluster) == "Running" and reports.waiting == 0)
    wait_for(lambda: not conditions.has(AWAY))


def test_another_pod_of_the_name_is_left_alone(cluster: ClusterStore, reports: Reports) -> None:
    before = written(cluster)
    cluster.delete(POD, "default", "a", grace=0)
    now = written(cluster)
    assert now.uid != before.uid
    reports.put(1, telling.tell_status(before, {"phase": "Failed"}))
    reports.put(2, telling.finish(before))
    reports.put(3, telling.tell_refusal(now, Refusal("OutOfcpu", "no")))
    wait_for(lambda: phase(cluster) == "Failed")
    found = cluster.get(POD, "default", "a")
    assert found is not None and found.uid == now.uid and found.status["reason"] == "OutOfcpu"


def test_what_happens_again_is_counted(cluster: ClusterStore, reports: Reports) -> None:
    wanted = written(cluster)
    for _ in range(3):
        reports.happened(telling.of_pod(wanted, "BackOff", "again", "Warning", "n1"))
    wait_for(lambda: [one.body.get("count") for one in cluster.list(EVENT)] == [3])


def test_a_node_is_heard_of_and_says_who_it_is(
    cluster: ClusterStore, tmp_path: Path, conditions: Conditions
) -> None:
    heart = Heartbeat(lambda: Fickle(tmp_path / "store"), lambda: FACTS, conditions, ttl=1.0)
    heart.start()
    try:
        assert heart.is_heard.wait(WITHIN)
        node = cluster.get(NODE, "", "n1")
        assert node is not None and node.status["capacity"] == {
            "cpu": "1",
            "memory": "1048576Ki",
            "pods": "10",
        }
        assert (item := cluster.store.read(heartbeat_key("n1"))) is not None and item.value == "boot"
        cluster.delete(NODE, "", "n1")  # somebody's mistake
        wait_for(lambda: cluster.get(NODE, "", "n1"))
    finally:
        heart.stop()
    wait_for(lambda: cluster.store.read(heartbeat_key("n1")) is None)


def test_a_lease_that_ran_out_is_taken_anew(
    cluster: ClusterStore, store: Fickle, tmp_path: Path, conditions: Conditions
) -> None:
    heart = Heartbeat(lambda: Fickle(tmp_path / "store"), lambda: FACTS, conditions, ttl=1.0)
    heart.start()
    try:
        assert heart.is_heard.wait(WITHIN)
        store.away.touch()
        wait_for(lambda: conditions.has(LOST))
        wait_for(lambda: store.read(heartbeat_key("n1")) is None)
        store.away.unlink()
        wait_for(lambda: store.read(heartbeat_key("n1")))
        wait_for(lambda: not conditions.has(LOST))
    finally:
        heart.stop()
