"""Who sees which source address, asked with real packets; and the tunnels' own packets are not tracked."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import pytest

from tests.overlay.cluster import NET_CONF, Cluster
from tests.overlay.flows import PORT, heard_from, silent_pairs, socket_in
from tests.overlay.machines import ip, run, wait_until
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.waiting import settle

pytestmark = pytest.mark.campaign
GROUP = "239.1.1.1"


@dataclass(frozen=True)
class Place:
    """Where packets come from or go to: a namespace and the address there."""

    netns: str
    address: str


def places_of(cluster: Cluster) -> dict[str, Place]:
    one, other = cluster.nodes.values()
    neighbour = cluster.add_pod(one, 1)
    assert one.pod and other.pod
    wait_until(lambda: not silent_pairs([one.pod, neighbour]), "the second pod is not there")  # type: ignore[list-item]
    outside = Place("outside", cluster.add_stranger("outside", 200))
    for node in (one, other):
        ip("outside", f"route add {node.pod.addresses[4][:-1]}0/24 via {node.public[4]}")  # type: ignore[union-attr]
    return {
        "pod": Place(one.pod.netns, one.pod.addresses[4]),
        "pod beside": Place(neighbour.netns, neighbour.addresses[4]),
        "pod there": Place(other.pod.netns, other.pod.addresses[4]),
        "node": Place(one.name, one.public[4]),
        "other node": Place(other.name, other.public[4]),
        "outside": outside,
    }


OWN = "its own"  # what the sender's namespace has on the way there, unchanged
TRUTH = {
    ("pod", "pod beside"): OWN,
    ("pod", "pod there"): OWN,
    ("pod", "node"): OWN,
    ("pod", "other node"): "node",
    ("pod", "outside"): "node",
    ("node", "pod"): "gateway",
    ("node", "pod there"): "tunnel",
    ("node", "other node"): OWN,
    ("node", "outside"): OWN,
    ("other node", "pod"): "tunnel",
    ("other node", "node"): OWN,
    ("outside", "pod"): OWN,
    ("outside", "node"): OWN,
    ("outside", "pod there"): OWN,
}


@pytest.mark.parametrize("mode", ["vxlan", "vxlan-gpe", "host-gw"])
def test_who_sees_which_source(make_cluster: Make, mode: str) -> None:
    cluster = make_cluster(conf=NET_CONF | {"Backend": {"Type": mode}})
    cluster.start(cluster.add(1), cluster.add(2))
    settle(cluster)
    places = places_of(cluster)
    forget_tunnels(cluster)  # a node that was first sent to one whose table was not there yet
    found = {(sender, receiver): source_seen(places[sender], places[receiver]) for sender, receiver in TRUTH}
    expected = {way: expected_source(places, way[0], said, mode) for way, said in TRUTH.items()}
    assert found == expected
    assert multicast_source(cluster, places) == places["pod"].address[:-1] + "1"
    if mode != "host-gw":
        assert tracked_tunnels(cluster) == []


def source_seen(sender: Place, receiver: Place) -> str | None:
    """Send a packet; return where it was seen to come from."""
    asker, listener = socket_in(sender.netns), socket_in(receiver.netns, bind=(receiver.address, PORT))
    try:
        return heard_from(asker, listener, (receiver.address, PORT))
    finally:
        asker.close()
        listener.close()


def expected_source(places: dict[str, Place], sender: str, said: str, mode: str) -> str:
    subnet = places["pod there" if sender == "other node" else "pod"].address[:-1]
    if said == "gateway":
        return f"{subnet}1"
    if said == "tunnel":  # a tunnel has the subnet's first address; plain routes leave by the uplink
        return places[sender].address if mode == "host-gw" else f"{subnet}0"
    return places["node"].address if said == "node" else places[sender].address


def multicast_source(cluster: Cluster, places: dict[str, Place]) -> str | None:
    """Send to a group from the node, by its pods' gateway address; return what outside saw."""
    gateway = places["pod"].address[:-1] + "1"
    asker, listener = socket_in("n1", bind=(gateway, 0)), socket_in("outside", bind=(GROUP, PORT))
    listener.setsockopt(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
        socket.inet_aton(GROUP) + socket.inet_aton(places["outside"].address),
    )  # fmt: skip
    index = struct.pack("4s4si", b"", socket.inet_aton(places["node"].address), 0)
    asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, index)
    ip("outside", "route add 10.244.0.0/16 dev eth0")  # its own look back, rp_filter or not
    return heard_from(asker, listener, (GROUP, PORT))


def forget_tunnels(cluster: Cluster) -> None:
    """Remove what connection tracking learnt while the nodes came up: it would stay for 30 s."""
    for node in cluster.nodes.values():
        run("nsenter", f"--net=/run/netns/{node.name}", "conntrack", "-F")


def tracked_tunnels(cluster: Cluster) -> list[str]:
    """Return what the nodes' connection tracking knows of the tunnels."""
    found = []
    for node in cluster.nodes.values():
        text = run("nsenter", f"--net=/run/netns/{node.name}", "conntrack", "-L", "-p", "udp")
        found += [line for line in text.splitlines() if "dport=8472" in line or "dport=4790" in line]
    return found
