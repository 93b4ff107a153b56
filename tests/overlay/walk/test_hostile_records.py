"""Records in the registry that would harm: each is refused with a reason, and everybody else goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from cluster_store.opening import open_store
from cluster_store.store import Delete, Put
from tests.overlay.cluster import Cluster
from tests.overlay.flows import silent_pairs
from tests.overlay.machines import Node, wait_until
from tests.overlay.oracle import leases, seen
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.waiting import settle

pytestmark = pytest.mark.campaign
PREFIX = "/coreos.com/network"
MEBIBYTE = 1 << 20


def lease(public: str = "192.168.77.99", mac: str = "02:00:00:00:00:99", **more: Any) -> str:
    body = {"PublicIP": public, "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": mac}}
    return json.dumps(body | more)


def inside(node: Node) -> str:
    """Return the key of half a node's subnet."""
    return node.subnet_env["FLANNEL_SUBNET"].replace(".1/24", ".0-25")


HOSTILE: dict[str, Callable[[list[Node]], tuple[str, str]]] = {
    "within an older node's subnet": lambda nodes: (inside(nodes[0]), lease()),
    "within this node's subnet": lambda nodes: (inside(nodes[1]), lease()),
    "the whole network": lambda nodes: ("10.244.0.0-16", lease()),
    "half the network": lambda nodes: ("10.244.0.0-17", lease()),
    "outside the network": lambda nodes: ("10.99.0.0-24", lease()),
    "this node's own address": lambda nodes: ("10.244.9.0-24", lease(nodes[1].public[4])),
    "a pod's address as the node's": lambda nodes: ("10.244.9.0-24", lease("10.244.9.1")),
    "no JSON": lambda nodes: ("10.244.9.0-24", '{"PublicIP": "192.168.77.99", '),
    "no object": lambda nodes: ("10.244.9.0-24", "[1, 2]"),
    "a mebibyte": lambda nodes: ("10.244.9.0-24", lease(Padding="x" * (MEBIBYTE - 200))),
    "deeply nested": lambda nodes: ("10.244.9.0-24", "[" * 10_000),
    "a group's MAC": lambda nodes: ("10.244.9.0-24", lease(mac="01:00:5e:00:00:01")),
    "the MAC of another": lambda nodes: ("10.244.9.0-24", lease(mac=mac_of(nodes[0]))),
    "a group's address": lambda nodes: ("10.244.9.0-24", lease("224.0.0.1")),
    "no lease's key": lambda nodes: ("10.244.9.0", lease()),
}


def mac_of(node: Node) -> str:
    return str(json.loads((node.folder / "mac").read_text()))


@pytest.mark.parametrize("kind", ["directory", "etcd"])
def test_hostile_records_are_refused_and_harm_nobody(make_cluster: Make, kind: str) -> None:
    cluster = make_cluster(kind)
    nodes = [cluster.add(1), cluster.add(2)]
    cluster.start(nodes[0])
    cluster.start(nodes[1])
    settle(cluster)
    for node in nodes:
        (node.folder / "mac").write_text(json.dumps(leases(cluster)[node.name]["BackendData"]["VtepMAC"]))
    before = seen(nodes[1])
    for said, make in HOSTILE.items():
        key, value = make(nodes)
        put(cluster, key, value)
        wait_complaint(nodes[1], key, is_there=True)
        assert not before.difference(seen(nodes[1])), f"{said}: {before.difference(seen(nodes[1]))}"
        assert not silent_pairs([one.pod for one in nodes if one.pod]), said
        print(f"{said}: {nodes[1].conditions()[key][:150]}")
        put(cluster, key, None)
        wait_complaint(nodes[1], key, is_there=False)
    settle(cluster)


def wait_complaint(node: Node, key: str, *, is_there: bool) -> None:
    """Wait until a node has a condition about a lease, or has none any more."""
    wait_until(lambda: (key in node.conditions()) == is_there, lambda: f"{key}: {node.said}\n{node.log()}")


def put(cluster: Cluster, key: str, value: str | None) -> None:
    """Write a lease past every check, or remove it."""
    store = open_store(cluster.url)
    name = f"{PREFIX}/subnets/{key}"
    store.commit([], [Delete(name) if value is None else Put(name, value)])
    store.close()


def test_of_two_nodes_with_one_name_the_first_goes_on(make_cluster: Make) -> None:
    cluster = make_cluster("etcd")
    first, other = cluster.add(1), cluster.add(2)
    cluster.start(first, other)
    settle(cluster)
    before = leases(cluster)

    twin = cluster.add(3, name="n1")
    twin.start()
    wait_until(lambda: twin.conditions("Quarantined"), lambda: f"{twin.said} {twin.log()}")

    assert "another living node" in next(iter(twin.conditions("Quarantined").values()))
    assert leases(cluster) == before
    cluster.remove(twin)
    settle(cluster)


def test_a_stolen_lease_quarantines_its_node_and_pods_there_go_on(make_cluster: Make) -> None:
    cluster = make_cluster("etcd")
    nodes = [cluster.add(1), cluster.add(2)]
    cluster.start(*nodes)
    neighbours = [nodes[1].pod, cluster.add_pod(nodes[1], 1)]
    settle(cluster)
    record = leases(cluster)["n2"]
    key = record.pop("Subnets")[0].replace("/", "-")

    nodes[1].end(signal.SIGKILL)
    record["PublicIP"], record["Podwire"]["Node"] = "192.168.77.99", "thief"
    record["BackendData"]["VtepMAC"] = "02:00:00:00:00:99"
    store = open_store(cluster.url)
    value = json.dumps(record)
    store.commit([], [Put(f"{PREFIX}/{kind}/{key}", value) for kind in ("subnets", "podwire/owned")])
    store.close()
    nodes[1].start()

    wait_until(lambda: nodes[1].conditions("Quarantined"), lambda: nodes[1].log())
    assert not silent_pairs([one for one in neighbours if one])
    assert nodes[1].subnet_env["FLANNEL_SUBNET"].startswith(key.rsplit(".", 1)[0])
    wait_until(
        lambda: "192.168.77.99" in {way.to for way in seen(nodes[0]).ways}, lambda: str(seen(nodes[0]))
    )
