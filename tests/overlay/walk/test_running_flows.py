"""No packet of a running flow is lost, whatever happens to the agents, the registry or the network's mode."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.overlay.cluster import NET_CONF, Cluster
from tests.overlay.flows import Flow, Stream, no_packet_lost
from tests.overlay.machines import Node, ip, run, wait_until
from tests.overlay.oracle import leases
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.waiting import logs, settle

pytestmark = pytest.mark.campaign
ADDRESS_CHANGE_LOSES = 1000  # packets of a millisecond each, until every node has the new address


@pytest.fixture
def cluster(make_cluster: Make) -> Cluster:
    """Give two nodes with a pod each."""
    made = make_cluster("etcd")
    made.start(made.add(1), made.add(2))
    settle(made)
    return made


def pods(cluster: Cluster) -> Any:
    return [one.pod for one in cluster.nodes.values()]


def wait_ready(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        wait_until(lambda one=node: one.said["ready"], lambda: logs(cluster))  # type: ignore[misc]


def end_and_start(number: int) -> Callable[[Cluster], None]:
    def act(cluster: Cluster) -> None:
        for node in cluster.nodes.values():
            node.end(number)
        for node in cluster.nodes.values():
            node.start()
        wait_ready(cluster)

    return act


def start_without_registry(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        node.end(signal.SIGKILL)
    cluster.stop_registry()
    for node in cluster.nodes.values():
        node.start()
    wait_ready(cluster)
    cluster.start_registry()


def change_backends(*backends: dict[str, Any]) -> Callable[[Cluster], None]:
    def act(cluster: Cluster) -> None:
        for backend in backends:
            cluster.configure(NET_CONF | {"Backend": backend})
            settle(cluster, str(backend))

    return act


EVENTS: dict[str, Callable[[Cluster], None]] = {
    "SIGKILL and start": end_and_start(signal.SIGKILL),
    "SIGTERM and start": end_and_start(signal.SIGTERM),
    "start without the registry": start_without_registry,
    "vxlan -> vxlan-gpe -> host-gw -> vxlan": change_backends(
        {"Type": "vxlan-gpe"}, {"Type": "host-gw"}, {"Type": "vxlan"}
    ),
    "port": change_backends({"Type": "vxlan", "Port": 4789}, {"Type": "vxlan-gpe", "Port": 4791}),
    "direct routing": change_backends({"Type": "vxlan", "DirectRouting": True}, {"Type": "vxlan"}),
}


@pytest.mark.parametrize("event", EVENTS)
def test_no_packet_is_lost(cluster: Cluster, event: str) -> None:
    with no_packet_lost(*pods(cluster)):
        EVENTS[event](cluster)
        settle(cluster, event)


def test_no_packet_is_lost_when_the_old_way_goes(cluster: Cluster) -> None:
    with no_packet_lost(*pods(cluster)):
        cluster.configure(NET_CONF | {"Backend": {"Type": "vxlan-gpe"}})
        settle(cluster)
        wait_until(lambda: not any(map(has_classic_tunnel, cluster.nodes.values())), "flannel.1 stays", 45)
        assert all(len(one["Podwire"]["Offers"]) == 1 for one in leases(cluster).values())
        settle(cluster)


def test_an_uplink_of_another_mtu_loses_no_small_packet(cluster: Cluster) -> None:
    flow, stream = Flow(*pods(cluster)), Stream(*pods(cluster))
    for mtu in (1400, 1500):
        change_mtu(cluster, cluster.nodes["n1"], mtu)
        settle(cluster, f"MTU {mtu}")
    lost = flow.end()
    stream.end()  # its large segments were dropped until the sender was told; all arrived in the end
    assert lost == 0, flow.lost_now()
    assert stream.longest_gap < 2.0


def test_another_address_loses_little(cluster: Cluster) -> None:
    """Both nodes must know: the old address has gone before the record can say so."""
    flow, stream = Flow(*pods(cluster)), Stream(*pods(cluster))
    node = cluster.nodes["n1"]
    node.public[4] = "192.168.77.101"
    ip("n1", "addr add 192.168.77.101/24 dev eth0", "addr del 192.168.77.1/24 dev eth0")
    settle(cluster, "another address")
    lost, _ = flow.end(), stream.end()
    print(f"{lost} of {flow.sent} packets lost")
    assert lost <= ADDRESS_CHANGE_LOSES
    assert stream.longest_gap < 5.0


def change_mtu(cluster: Cluster, node: Node, mtu: int) -> None:
    node.mtu = mtu
    ip("", f"link set ul{node.number} mtu {mtu}")
    ip(node.name, f"link set eth0 mtu {mtu}")


def has_classic_tunnel(node: Node) -> bool:
    return "flannel.1" in run("ip", "-n", node.name, "-o", "link", "show")
