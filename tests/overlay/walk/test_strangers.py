"""Who is no node gets into no tunnel, and a node speaks for its own pods only."""

from __future__ import annotations

import json
import socket

import pytest

from tests.overlay.cluster import NET_CONF, Cluster
from tests.overlay.flows import PORT, heard_from, socket_in
from tests.overlay.machines import Node, Pod, ip, run
from tests.overlay.oracle import leases
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.waiting import settle

pytestmark = pytest.mark.campaign
MODES = {"vxlan": 8472, "vxlan-gpe": 4790}  # UDP port


def start(make_cluster: Make, mode: str) -> tuple[Cluster, Node, Node, Node]:
    """Give three nodes; the second is guarded, the third is not, which shows that packets get there.

    The first does not masquerade: it would what it forges.
    """
    cluster = make_cluster(conf=NET_CONF | {"Backend": {"Type": mode}})
    one, guarded = cluster.add(1, masquerade=False), cluster.add(2)
    open_ = cluster.add(3, guard=False)
    cluster.start(one, guarded, open_)
    settle(cluster)
    return cluster, one, guarded, open_


def pod_of(node: Node) -> Pod:
    assert node.pod is not None
    return node.pod


def listener(pod: Pod) -> socket.socket:
    return socket_in(pod.netns, bind=(pod.addresses[4], PORT))


def dropped(node: Node) -> int:
    """Return how many packets the guard has dropped."""
    text = run(
        "nsenter", f"--net=/run/netns/{node.name}", "nft", "-j", "list", "table", "inet", "podwire_overlay"
    )
    rules = [one["rule"]["expr"] for one in json.loads(text)["nftables"] if "rule" in one]
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


def forge_tunnels(cluster: Cluster, netns: str, mode: str, *targets: Node) -> None:
    """Give a machine a device that speaks to nodes' tunnels, with all that their records tell."""
    kind = "id 1 nolearning" if mode == "vxlan" else "external gpe"
    ip(netns, f"link add x0 type vxlan {kind} dstport {MODES[mode]}", "link set x0 up")
    for target in targets:
        public, pod = target.public[4], pod_of(target).addresses[4]
        if mode == "vxlan":
            mac = leases(cluster)[target.name]["BackendData"]["VtepMAC"]
            ip(netns, f"neigh add {pod} lladdr {mac} dev x0 nud permanent", f"route add {pod} dev x0")
            run("bridge", "-n", netns, "fdb", "append", mac, "dev", "x0", "dst", public)
        else:
            ip(netns, f"route add {pod} encap ip id 1 dst {public} dev x0")


def heard_at(netns: str, source: str, target: Node) -> str | None:
    """Send from a machine by a source; return how a pod saw it."""
    asker, listens = socket_in(netns, bind=(source, 0)), listener(pod_of(target))
    try:
        return heard_from(asker, listens, (pod_of(target).addresses[4], PORT))
    finally:
        asker.close()
        listens.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_stranger_reaches_no_pod(make_cluster: Make, mode: str) -> None:
    cluster, one, guarded, open_ = start(make_cluster, mode)
    own, stolen = cluster.add_stranger("stranger", 200), pod_of(one).addresses[4]
    ip("stranger", f"addr add {stolen}/32 dev lo")
    forge_tunnels(cluster, "stranger", mode, guarded, open_)
    for source in (own, stolen):
        before = dropped(guarded)
        assert heard_at("stranger", source, open_) == source
        assert heard_at("stranger", source, guarded) is None
        assert dropped(guarded) > before
    settle(cluster)


@pytest.mark.parametrize("mode", MODES)
def test_a_node_does_not_speak_for_others(make_cluster: Make, mode: str) -> None:
    cluster, one, guarded, open_ = start(make_cluster, mode)
    for other, source in ((open_, pod_of(open_).addresses[4]), (open_, "198.51.100.7")):
        ip(one.name, f"addr add {source}/32 dev lo")
        before = dropped(guarded)
        assert heard_at(one.name, source, guarded) is None
        assert dropped(guarded) > before
        if source not in pod_of(other).addresses.values():  # a pod does not listen to itself from afar
            assert heard_at(one.name, source, other) == source
        ip(one.name, f"addr del {source}/32 dev lo")
        settle(cluster)
