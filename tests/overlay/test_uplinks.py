"""Which link leads to the other nodes: the route to them decides, and what the owner says before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from linuxnet.netlink import Netlink
from overlay.place import Uplink
from overlay.settings import OverlaySettings
from overlay.subnet import parse_subnet
from overlay.uplinks import find_uplinks, is_on_link
from tests.calls import ip_json, run

PODS = (parse_subnet("10.244.0.0/16"), parse_subnet("fd00:244::/48"))


@pytest.fixture
def netlink(host: None) -> Iterator[Netlink]:
    for name in ("eth0", "eth1"):
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"])
        for one in (name, f"{name}p"):
            run(["ip", "link", "set", one, "up"])
    run(["ip", "link", "set", "eth1", "mtu", "9000"])
    address("eth0", "172.30.0.1/24")
    address("eth0", "fd77::1/64")
    address("eth1", "198.51.100.1/24")
    opened = Netlink()
    yield opened
    opened.close()


def address(dev: str, text: str, *more: str) -> None:
    run(["ip", "addr", "add", text, "dev", dev, *more, *(["nodad"] if ":" in text else [])])


def found(netlink: Netlink, *targets: str, own: tuple[int, ...] = (), **settings: Any) -> dict[int, str]:
    said = OverlaySettings(**settings)
    uplinks = find_uplinks(netlink, said, targets, networks=PODS, own=own)
    return {version: f"{one.name} {one.address}" for version, one in uplinks.items()}


def test_the_default_route_decides_where_nothing_else_does(netlink: Netlink) -> None:
    run(["ip", "route", "add", "default", "via", "198.51.100.254"])
    assert found(netlink)[4] == "eth1 198.51.100.1"


def test_the_route_to_another_node_comes_before_the_default_route(netlink: Netlink) -> None:
    run(["ip", "route", "add", "default", "via", "198.51.100.254"])
    assert found(netlink, "172.30.0.77")[4] == "eth0 172.30.0.1"
    assert found(netlink, "203.0.113.9", "172.30.0.77")[4] == "eth1 198.51.100.1", (
        "the first that has a route"
    )
    run(["ip", "route", "add", "203.0.113.0/24", "via", "172.30.0.254"])
    assert found(netlink, "203.0.113.9")[4] == "eth0 172.30.0.1"


def test_a_node_without_a_route_is_passed_over(netlink: Netlink) -> None:
    assert found(netlink, "203.0.113.9", "198.51.100.7")[4] == "eth1 198.51.100.1"


def test_without_any_route_the_first_link_with_an_address_is_taken(netlink: Netlink) -> None:
    assert found(netlink) == {4: "eth0 172.30.0.1", 6: "eth0 fd77::1"}


def test_each_family_goes_its_own_way(netlink: Netlink) -> None:
    assert found(netlink, "198.51.100.7", "fd77::7") == {4: "eth1 198.51.100.1", 6: "eth0 fd77::1"}


def test_the_uplink_tells_its_index_and_mtu(netlink: Netlink) -> None:
    uplinks = find_uplinks(netlink, OverlaySettings(), ["198.51.100.7"])
    (link,) = ip_json("link", "show", "eth1")
    assert uplinks[4] == Uplink("eth1", link["ifindex"], "198.51.100.1", 9000)


def test_what_the_owner_names_is_taken(netlink: Netlink) -> None:
    address("eth1", "198.51.100.2/24")
    assert found(netlink, "172.30.0.77", interface="eth1") == {4: "eth1 198.51.100.1"}
    assert found(netlink, "172.30.0.77", public_ip="198.51.100.2")[4] == "eth1 198.51.100.2"
    assert found(netlink, interface="eth1", public_ip="198.51.100.2")[4] == "eth1 198.51.100.2"
    assert 4 not in found(netlink, interface="nowhere")
    assert 4 not in found(netlink, public_ip="203.0.113.1")
    assert found(netlink, public_ipv6="fd77::1")[6] == "eth0 fd77::1"


def test_a_pods_address_is_no_underlays(netlink: Netlink) -> None:
    run(["ip", "link", "add", "cni0", "type", "bridge"])
    address("cni0", "10.244.17.1/24")
    address("cni0", "fd00:244:0:11::1/64")
    run(["ip", "link", "set", "cni0", "up"])
    for name in ("eth0", "eth1"):
        run(["ip", "addr", "flush", "dev", name])
    assert found(netlink) == {}
    assert found(netlink, "10.244.17.9") == {}


def test_a_tunnel_is_no_uplink(netlink: Netlink) -> None:
    run(["ip", "link", "add", "tunnel", "type", "vxlan", "id", "1", "dstport", "8472", "local", "172.30.0.1"])
    address("tunnel", "203.0.113.1/24")
    run(["ip", "link", "set", "tunnel", "up"])
    (link,) = ip_json("link", "show", "tunnel")
    assert found(netlink, "203.0.113.9", own=(link["ifindex"],))[4] == "eth0 172.30.0.1"


def test_a_lasting_address_comes_before_a_passing_one(netlink: Netlink) -> None:
    address("eth1", "198.51.100.9/24", "valid_lft", "1000", "preferred_lft", "1000")
    run(["ip", "addr", "del", "198.51.100.1/24", "dev", "eth1"])
    address("eth1", "198.51.100.7/24")
    assert found(netlink, "198.51.100.77")[4] == "eth1 198.51.100.7"
    run(["ip", "addr", "del", "198.51.100.7/24", "dev", "eth1"])
    address("eth1", "198.51.100.10/24", "valid_lft", "1000", "preferred_lft", "1000")
    assert found(netlink, "198.51.100.77")[4] in ("eth1 198.51.100.9", "eth1 198.51.100.10")


def test_a_deprecated_or_link_local_address_is_none(netlink: Netlink) -> None:
    run(["ip", "addr", "change", "fd77::1/64", "dev", "eth0", "preferred_lft", "0"])
    assert 6 not in found(netlink)
    address("eth0", "fd77::2/64")
    assert found(netlink)[6] == "eth0 fd77::2"


def test_loopback_is_no_uplink(netlink: Netlink) -> None:
    address("lo", "127.0.0.9/8")
    run(["ip", "addr", "flush", "dev", "eth0"])
    run(["ip", "addr", "flush", "dev", "eth1"])
    assert found(netlink, "127.0.0.1") == {}


def test_a_node_on_the_segment_is_told_from_one_behind_a_router(netlink: Netlink) -> None:
    uplink = find_uplinks(netlink, OverlaySettings(), ["172.30.0.7"])[4]
    assert is_on_link(netlink, uplink, "172.30.0.7")
    assert not is_on_link(netlink, uplink, "203.0.113.9"), "no route at all"
    run(["ip", "route", "add", "203.0.113.0/24", "via", "172.30.0.254"])
    assert not is_on_link(netlink, uplink, "203.0.113.9")
    assert not is_on_link(netlink, uplink, "198.51.100.9"), "over another link"
    run(["ip", "route", "add", "203.0.113.9/32", "via", "inet6", "fd77::9", "dev", "eth0"])
    assert not is_on_link(netlink, uplink, "203.0.113.9"), "an IPv6 router is one"
