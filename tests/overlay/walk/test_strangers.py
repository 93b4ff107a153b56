"""Who is no node gets into no tunnel, and a node speaks for its own pods only."""

from __future__ import annotations

import json
import socket

import pytest

from tests.overlay.cluster import NET_CONF, Cluster, Node, Pod, ip, run
from tests.overlay.flows import PORT, heard_from, socket_in
from tests.overlay.oracle import leases
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.waiting import settle

pytestmark = pytest.mark.campaign
MODES = {"vxlan": 8472, "vxlan-gpe": 4790}  # UDP port
guarded = pytest.mark.parametrize("is_guarded", [True, False], ids=["guarded", "without the guard"])


def start(make_cluster: Make, mode: str, *, is_guarded: bool) -> tuple[Cluster, Node, Node]:
    """Give two nodes; the second is the one that is attacked, or where its guard is off is reached."""
    cluster = make_cluster(conf=NET_CONF | {"Backend": {"Type": mode}})
    one, other = cluster.add(1), cluster.add(2, guard=is_guarded)
    cluster.start(one, other)
    if is_guarded:
        settle(cluster)
    return cluster, one, other


def pod_of(node: Node) -> Pod:
    assert node.pod is not None
    return node.pod


def listener(pod: Pod) -> socket.socket:
    return socket_in(pod.netns, bind=(pod.addresses[4], PORT))


def dropped(node: Node) -> int:
    """Return how many packets the guard has dropped."""
    text = run("nsenter", f"--net=/run/netns/{node.name}", "nft", "-j", "list", "table", "inet", "podwire_overlay")
    rules = [one["rule"]["expr"] for one in json.loads(text)["nftables"] if "rule" in one]
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


def forge_tunnel(cluster: Cluster, netns: str, mode: str, target: Node) -> None:
    """Give a machine a device that speaks to a node's tunnel, with all that a node's record tells."""
    mac = leases(cluster)[target.name].get("BackendData", {}).get("VtepMAC")
    port, public, pod = MODES[mode], target.public[4], pod_of(target).addresses[4]
    if mode == "vxlan":
        ip(
            netns, f"link add x0 type vxlan id 1 dstport {port} remote {public} dev eth0 nolearning",
            "link set x0 up", f"neigh add {pod} lladdr {mac} dev x0 nud permanent", f"route add {pod} dev x0",
        )  # fmt: skip
        return
    ip(netns, f"link add x0 type vxlan external gpe dstport {port}", "link set x0 up")
    ip(netns, f"route add {pod} encap ip id 1 dst {public} dev x0")


@guarded
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("claimed", ["its own address", "a pod's address"])
def test_a_stranger_reaches_no_pod(make_cluster: Make, mode: str, claimed: str, is_guarded: bool) -> None:
    cluster, one, other = start(make_cluster, mode, is_guarded=is_guarded)
    own = cluster.add_stranger("stranger", 200)
    source = own if claimed == "its own address" else pod_of(one).addresses[4]
    if source != own:
        ip("stranger", f"addr add {source}/32 dev lo")
    forge_tunnel(cluster, "stranger", mode, other)
    before = dropped(other) if is_guarded else 0

    seen = heard_from(
        socket_in("stranger", bind=(source, 0)), listener(pod_of(other)), (pod_of(other).addresses[4], PORT)
    )

    assert seen == (None if is_guarded else source)
    assert not is_guarded or dropped(other) > before


@guarded
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("claimed", ["another node's pod", "outside"])
def test_a_node_does_not_speak_for_others(make_cluster: Make, mode: str, claimed: str, is_guarded: bool) -> None:
    cluster, one, other = start(make_cluster, mode, is_guarded=is_guarded)
    third = cluster.add(3)
    cluster.start(third)
    if is_guarded:
        settle(cluster)
    source = pod_of(third).addresses[4] if claimed == "another node's pod" else "198.51.100.7"
    before = dropped(other) if is_guarded else 0
    forged = heard_by(one, source, other)

    assert forged == (None if is_guarded else source)
    assert not is_guarded or dropped(other) > before
    if is_guarded:
        settle(cluster)


def heard_by(node: Node, source: str, other: Node) -> str | None:
    """Send from a node by a source that is not its own; return how a pod of another node saw it."""
    ip(node.name, f"addr add {source}/32 dev lo")
    run("nsenter", f"--net=/run/netns/{node.name}", "nft", "delete", "chain", "inet", "podwire_overlay", "postrouting")
    try:
        return heard_from(
            socket_in(node.name, bind=(source, 0)), listener(pod_of(other)), (pod_of(other).addresses[4], PORT)
        )
    finally:
        ip(node.name, f"addr del {source}/32 dev lo")
