"""A peer that moves from one tunnel to another: its nexthop does, its route never goes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from cluster_store.conditions import Conditions
from linuxnet.netlink import Netlink
from overlay.admission import Admission
from overlay.peers import Peers
from overlay.place import Place, Tunnel, Uplink
from overlay.programmer import Programmer
from overlay.record import Mode
from overlay.settings import OverlaySettings
from tests.overlay.records import classic, node, place

SUBNETS = {4: "10.244.1.0/24", 6: "fd00:244:0:1::/64"}


def ip(*arguments: str) -> Any:
    done = subprocess.run(["ip", "-j", *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout) if done.stdout.strip() else []


def with_tunnels() -> Place:
    """Make two tunnels, of VNI 1 and 7, and return the place that has them."""
    tunnels = {}
    for vni in (1, 7):
        name = f"flannel-v6.{vni}"
        ip(
            "link",
            "add",
            name,
            "type",
            "vxlan",
            "id",
            str(vni),
            "dstport",
            "8472",
            "local",
            "::1",
            "nolearning",
        )
        ip("link", "set", name, "up")
        index = ip("link", "show", name)[0]["ifindex"]
        tunnels[Mode.VXLAN, 6, 8472, vni] = Tunnel(Mode.VXLAN, 6, name, index, 1430, vni, 8472)
    return place(outers=(4, 6), tunnels=tunnels, has_blackhole=False)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("is_whole", [False, True], ids=["a change", "a full pass"])
def test_a_peer_moves_to_another_device(host: None, version: int, is_whole: bool) -> None:
    """The kernel refuses to move a gateway of IPv6 while its own route leads to the old device."""
    here = with_tunnels()
    programmer, admission = Programmer(place=here), Admission(here)
    peer = node(1, SUBNETS[version], public6="2001:db8::1", offers=(classic(1, vni=1, mac6=True),))
    admission.offer(peer)
    programmer.refresh(admission, [peer.key], 0.0)
    assert [one["dev"] for one in ip(f"-{version}", "route", "show", SUBNETS[version])] == ["flannel-v6.1"]

    moved = node(1, SUBNETS[version], public6="2001:db8::1", offers=(classic(1, vni=7, mac6=True),))
    admission.offer(moved)
    if is_whole:
        programmer.reconcile(admission, 0.0, [one.index for one in here.tunnels.values()])
    else:
        programmer.refresh(admission, [peer.key], 0.0)

    assert programmer.troubles == {}
    (route,) = ip(f"-{version}", "route", "show", SUBNETS[version])
    assert (route["dev"], route["gateway"]) == ("flannel-v6.7", peer.subnets[0].address)
    programmer.close()


def test_a_peer_that_leaves_the_segment_is_looked_up_again(host: None) -> None:
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "other")
    for command in ("addr add 192.168.77.1/24 dev eth0", "link set eth0 up", "link set other up"):
        ip(*command.split())
    ip("route", "add", "10.9.0.0/16", "via", "192.168.77.254")
    index = ip("link", "show", "eth0")[0]["ifindex"]
    uplink = Uplink("eth0", index, "192.168.77.1", 1500)
    netlink = Netlink()
    peers = Peers(OverlaySettings(), netlink, Conditions())
    peers.set_place(replace(place(is_direct=True, has_blackhole=False), uplinks={4: uplink}))
    near = node(1, SUBNETS[4], public4="192.168.77.2")
    peers.change({near.key: near})
    assert peers.path(near.key, 4).is_on_link
    peers.change({near.key: replace(near, public4="10.9.9.9")})
    assert not peers.path(near.key, 4).is_on_link
    peers.close()
    netlink.close()
