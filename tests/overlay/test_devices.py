"""The node's tunnels: a flanneld's are taken as they are, others are made, and what cannot be is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from linuxnet.netlink import Netlink
from overlay.devices import (
    ALIAS,
    ensure_devices,
    offered_devices,
    own_devices,
    remove_devices,
    write_sysctl,
)
from overlay.offers import vtep_mac
from overlay.place import Tunnel, TunnelKey, Uplink
from overlay.record import Mode, Offer
from overlay.subnet import Subnet, parse_subnet
from tests.calls import ip_json, run

MAC, MAC6 = "02:00:00:00:00:01", "02:00:00:00:00:06"
CLASSIC, GPE = Offer(Mode.VXLAN, 8472, 1, MAC, MAC6), Offer(Mode.GPE, 4790, 1)
FOUR, SIX = parse_subnet("10.244.17.0/24"), parse_subnet("fd00:244:0:11::/64")


@pytest.fixture
def netlink(host: None) -> Iterator[Netlink]:
    run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
    run(["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"])
    run(["ip", "addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad"])
    for name in ("eth0", "eth1"):
        run(["ip", "link", "set", name, "up"])
    opened = Netlink()
    yield opened
    opened.close()


def uplinks(netlink: Netlink, *versions: int) -> dict[int, Uplink]:
    index = netlink.index_of("eth0")
    known = {4: Uplink("eth0", index, "192.0.2.1", 1500), 6: Uplink("eth0", index, "2001:db8::1", 1500)}
    return {version: known[version] for version in versions or (4,)}


def ensure(
    netlink: Netlink, *offers: Offer, subnets: tuple[Subnet, ...] = (FOUR,), versions: tuple[int, ...] = (4,),
) -> tuple[dict[TunnelKey, Tunnel], dict[TunnelKey, str]]:  # fmt: skip
    wanted = offered_devices(offers, uplinks(netlink, *versions), port=8472)
    return ensure_devices(netlink, wanted, subnets)


def link(name: str) -> dict[str, Any]:
    (found,) = ip_json("-d", "link", "show", name)
    return dict(found)


def addresses(name: str) -> list[str]:
    (found,) = ip_json("addr", "show", name)
    infos = found["addr_info"]
    return sorted(f"{one['local']}/{one['prefixlen']}" for one in infos if one["scope"] == "global")


def settings_of(*names: str) -> list[tuple[object, ...]]:
    """Return what we set of devices; their state the kernel settles in its own time."""
    fields = ("ifindex", "address", "mtu", "ifalias", "linkinfo")
    return [(*map(link(name).get, fields), addresses(name)) for name in names]


def flannels_device(mac: str = "56:af:97:5b:4d:6f") -> None:
    """Make flannel.1 the way flanneld does."""
    run(["ip", "link", "add", "flannel.1", "address", mac, "mtu", "1450", "type", "vxlan", "id", "1", "local",
         "192.0.2.1", "dev", "eth0", "dstport", "8472", "nolearning"])  # fmt: skip
    run(["ip", "addr", "add", "10.244.17.0/32", "dev", "flannel.1"])
    run(["ip", "link", "set", "flannel.1", "up"])


def test_a_tunnel_is_made_with_its_mac_mtu_and_address(netlink: Netlink) -> None:
    tunnels, refused = ensure(netlink, CLASSIC)
    assert not refused
    (tunnel,) = tunnels.values()
    seen = link("flannel.1")
    assert (tunnel.name, tunnel.index, tunnel.mtu) == ("flannel.1", seen["ifindex"], 1450)
    assert (seen["address"], seen["mtu"], seen["ifalias"]) == (MAC, 1450, ALIAS)
    assert addresses("flannel.1") == ["10.244.17.0/32"]
    assert run(["sysctl", "-n", "net.ipv4.conf.flannel/1.rp_filter"]).strip() == "2"


def test_twice_is_as_once(netlink: Netlink) -> None:
    first = ensure(netlink, CLASSIC, GPE, subnets=(FOUR, SIX), versions=(4, 6))
    before = settings_of("flannel.1", "flannel-v6.1", "podwire.1")
    assert ensure(netlink, CLASSIC, GPE, subnets=(FOUR, SIX), versions=(4, 6)) == first
    assert settings_of("flannel.1", "flannel-v6.1", "podwire.1") == before


def test_a_flannelds_device_is_taken_with_its_mac_and_address(netlink: Netlink) -> None:
    flannels_device()
    before = link("flannel.1")
    tunnels, refused = ensure(netlink, replace(CLASSIC, mac4=""))
    after = link("flannel.1")
    assert not refused and [one.index for one in tunnels.values()] == [before["ifindex"]]
    assert (after["address"], after["ifindex"]) == (before["address"], before["ifindex"])
    assert addresses("flannel.1") == ["10.244.17.0/32"]
    assert after["linkinfo"]["info_data"]["df"] == "inherit"


def test_dual_stack_has_a_tunnel_and_an_address_for_each_family(netlink: Netlink) -> None:
    ensure(netlink, CLASSIC, subnets=(FOUR, SIX), versions=(4, 6))
    assert addresses("flannel.1") == ["10.244.17.0/32"]
    assert addresses("flannel-v6.1") == ["fd00:244:0:11::/128"]
    assert link("flannel-v6.1")["mtu"] == 1430 and link("flannel-v6.1")["address"] == MAC6


def test_a_single_tunnel_has_both_addresses(netlink: Netlink) -> None:
    ensure(netlink, CLASSIC, subnets=(FOUR, SIX))
    assert addresses("flannel.1") == ["10.244.17.0/32", "fd00:244:0:11::/128"]


def test_gpe_is_one_device_for_both_outer_families(netlink: Netlink) -> None:
    tunnels, refused = ensure(netlink, GPE, subnets=(FOUR, SIX), versions=(4, 6))
    assert not refused and {one.name for one in tunnels.values()} == {"podwire.1"} and len(tunnels) == 2
    assert {one.mtu for one in tunnels.values()} == {1444}
    assert addresses("podwire.1") == ["10.244.17.0/32", "fd00:244:0:11::/128"]


def test_the_subnet_of_before_goes_from_the_tunnel(netlink: Netlink) -> None:
    ensure(netlink, CLASSIC)
    ensure(netlink, CLASSIC, subnets=(parse_subnet("10.244.99.0/24"),))
    assert addresses("flannel.1") == ["10.244.99.0/32"]


def test_another_port_is_another_device_beside_the_first(netlink: Netlink) -> None:
    flannels_device()
    tunnels, refused = ensure(netlink, replace(CLASSIC, port=4789))
    assert not refused and [one.name for one in tunnels.values()] == ["fl4789.1"]
    assert link("flannel.1")["linkinfo"]["info_data"]["port"] == 8472


def test_the_second_device_stays_when_the_first_has_gone(netlink: Netlink) -> None:
    ensure(netlink, CLASSIC)
    tunnels, _ = ensure(netlink, replace(CLASSIC, port=4789), CLASSIC)
    assert sorted(one.name for one in tunnels.values()) == ["fl4789.1", "flannel.1"]
    assert remove_devices(netlink, {"fl4789.1"}) == ["flannel.1"]
    again, refused = ensure(netlink, replace(CLASSIC, port=4789))
    assert not refused and [one.name for one in again.values()] == ["fl4789.1"]


def test_two_ports_may_change_places(netlink: Netlink) -> None:
    other = replace(CLASSIC, port=4789)
    ensure(netlink, CLASSIC)
    ensure(netlink, other, CLASSIC)
    tunnels, refused = ensure(netlink, CLASSIC, other)
    assert not refused and sorted((one.name, one.port) for one in tunnels.values()) == [
        ("fl4789.1", 4789), ("flannel.1", 8472),
    ]  # fmt: skip


def test_a_port_that_is_taken_is_told_and_nothing_is_left(netlink: Netlink) -> None:
    run(["ip", "link", "add", "theirs", "type", "vxlan", "external", "dstport", "8472"])
    run(["ip", "link", "set", "theirs", "up"])
    before = sorted(one["ifname"] for one in ip_json("link"))
    tunnels, refused = ensure(netlink, CLASSIC, GPE)
    assert [key[0] for key in tunnels] == [Mode.GPE], "the other way in works all the same"
    (said,) = refused.values()
    assert "8472" in said
    assert sorted(one["ifname"] for one in ip_json("link")) == sorted([*before, "podwire.1"])


def test_another_ones_vni_is_told(netlink: Netlink) -> None:
    run(["ip", "link", "add", "theirs", "type", "vxlan", "id", "1", "dstport", "8472", "local", "192.0.2.1"])
    tunnels, refused = ensure(netlink, CLASSIC)
    assert not tunnels and "VNI 1" in next(iter(refused.values()))


def test_another_thing_of_that_name_is_told(netlink: Netlink) -> None:
    run(["ip", "link", "add", "flannel.1", "type", "bridge"])
    tunnels, refused = ensure(netlink, CLASSIC)
    assert not tunnels and "flannel.1" in next(iter(refused.values()))
    assert link("flannel.1")["linkinfo"]["info_kind"] == "bridge"


def test_a_plain_route_needs_no_device(netlink: Netlink) -> None:
    assert ensure(netlink, Offer(Mode.DIRECT)) == ({}, {})


def test_only_ours_are_removed(netlink: Netlink) -> None:
    run(["ip", "link", "add", "theirs", "type", "vxlan", "id", "9", "dstport", "9999"])
    ensure(netlink, CLASSIC, GPE)
    assert set(own_devices(netlink)) == {"flannel.1", "podwire.1"}
    assert remove_devices(netlink, {"podwire.1"}) == ["flannel.1"]
    assert remove_devices(netlink, ()) == ["podwire.1"]
    assert {one["ifname"] for one in ip_json("link")} == {"lo", "eth0", "eth1", "theirs"}


def test_a_device_that_was_deleted_is_made_again_as_it_was(netlink: Netlink) -> None:
    ensure(netlink, CLASSIC)
    run(["ip", "link", "del", "flannel.1"])
    ensure(netlink, CLASSIC)
    assert link("flannel.1")["address"] == MAC and addresses("flannel.1") == ["10.244.17.0/32"]


def test_a_nodes_mac_is_its_own_for_good() -> None:
    found = {vtep_mac(f"node-{n}", outer) for n in range(2000) for outer in (4, 6)}
    assert len(found) == 4000 and vtep_mac("node-1", 4) == vtep_mac("node-1", 4)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in found), "local addresses of one station"


def test_a_sysctl_that_is_not_there_is_no_trouble(host: None) -> None:
    assert write_sysctl("ipv4/conf/nowhere/rp_filter", "2") == ""
    assert write_sysctl("ipv4/ip_forward", "1") == ""
    assert run(["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == "1"
    assert "could not be set" in write_sysctl("ipv4/ip_forward", "yes")
