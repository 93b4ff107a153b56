"""What leads to other nodes: what is written is read back equal, and `ip -j` tells the same."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from linuxnet.forwarding_dumps import Seen, look
from linuxnet.forwarding_entries import (
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    Encap,
    Entry,
    FdbEntry,
    ForeignRoute,
    NeighbourEntry,
    Nexthop,
    RouteEntry,
)
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from linuxnet.numbers import BLACKHOLE_PRIORITY, NEXTHOP_BASE, OVERLAY_PROTOCOL
from tests.calls import ip_json, run

FOUR, SIX = socket.AF_INET, socket.AF_INET6
N = NEXTHOP_BASE
MAC = bytes.fromhex("020000000001")


def packed(address: str) -> bytes:
    return socket.inet_pton(SIX if ":" in address else FOUR, address)


class World:
    """A host with an underlay, a classic tunnel and a GPE one."""

    def __init__(self) -> None:
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
        run(["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"])
        run(["ip", "addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad"])
        run(["ip", "link", "add", "flannel.1", "type", "vxlan", "id", "1", "local", "192.0.2.1", "dstport",
             "8472", "nolearning"])  # fmt: skip
        run(["ip", "link", "add", "gpe", "type", "vxlan", "external", "gpe", "dstport", "4790"])
        for name in ("eth0", "eth1", "flannel.1", "gpe"):
            run(["ip", "link", "set", name, "up"])
        indexes = {one["ifname"]: one["ifindex"] for one in ip_json("link")}
        self.eth0, self.tunnel, self.gpe = indexes["eth0"], indexes["flannel.1"], indexes["gpe"]
        self.socket = NetlinkSocket(NETLINK_ROUTE)

    def add(self, *entries: Entry) -> None:
        assert self.socket.stream([one.add() for one in entries]) == []

    def remove(self, *entries: Entry | ForeignRoute) -> None:
        assert self.socket.stream([one.remove() for one in entries]) == []

    def seen(self) -> Seen:
        return look(self.socket, (self.tunnel, self.gpe))

    def entries(self) -> set[Entry]:
        return set(self.seen().entries.values())

    def way(self, family: int, kind: str) -> tuple[Entry, ...]:
        """Return all that leads to one node, in the order it is made."""
        dst = packed("10.244.9.0" if family == FOUR else "fd00:244:0:9::")
        length, priority = (24, 0) if family == FOUR else (64, 1024)
        route = RouteEntry(family, dst, length, N + 1, priority=priority)
        if kind == "classic":
            fdb = FdbEntry(self.tunnel, MAC, packed("192.0.2.9"))
            nexthop = Nexthop(N + 1, family, self.tunnel, dst, is_onlink=True)
            return nexthop, NeighbourEntry(self.tunnel, dst, MAC), fdb, route
        if kind == "direct":
            gateway = packed("192.0.2.9" if family == FOUR else "2001:db8::9")
            return Nexthop(N + 1, family, self.eth0, gateway), route
        flags = TUNNEL_DONT_FRAGMENT | (TUNNEL_CSUM if kind == "gpe over 6" else 0)
        ends = ("2001:db8::9", "2001:db8::1") if kind == "gpe over 6" else ("192.0.2.9", "192.0.2.1")
        return Nexthop(
            N + 1, family, self.gpe, encap=Encap(7, packed(ends[0]), packed(ends[1]), flags)
        ), route


@pytest.fixture
def world(host: None) -> Iterator[World]:
    made = World()
    yield made
    made.socket.close()


KINDS = ("classic", "direct", "gpe over 4", "gpe over 6")
WAYS = [(family, kind) for family in (FOUR, SIX) for kind in KINDS]
PROTOCOL = str(OVERLAY_PROTOCOL)


@pytest.mark.parametrize(("family", "kind"), WAYS)
def test_what_is_written_is_read_back_equal(world: World, family: int, kind: str) -> None:
    way = world.way(family, kind)
    world.add(*way)
    assert world.entries() == set(way)
    world.add(*way)
    assert world.entries() == set(way), "twice is as once"
    seen = world.seen()
    assert not seen.foreign and not seen.doubles
    world.remove(*reversed(way))
    assert world.entries() == set()
    assert ip_json("nexthop") == []


def shown(world: World) -> dict[str, Any]:
    (nexthop,) = ip_json("-d", "nexthop")
    return dict(nexthop)


@pytest.mark.parametrize("family", [FOUR, SIX])
def test_ip_tells_the_same_of_a_classic_way(world: World, family: int) -> None:
    world.add(*world.way(family, "classic"))
    six = family == SIX
    gateway = "fd00:244:0:9::" if six else "10.244.9.0"
    nexthop = shown(world)
    assert (nexthop["id"], nexthop["gateway"], nexthop["dev"]) == (N + 1, gateway, "flannel.1")
    assert "onlink" in nexthop["flags"] and nexthop["protocol"] in (PROTOCOL, OVERLAY_PROTOCOL)
    option = ["-6"] if six else ["-4"]
    (route,) = ip_json(*option, "-d", "route", "show", "proto", PROTOCOL)
    assert (route["dst"], route["nhid"]) == (f"{gateway}/{64 if six else 24}", N + 1)
    neighbours = ip_json(*option, "neigh", "show", "dev", "flannel.1", "nud", "permanent")
    assert [(one["dst"], one["lladdr"]) for one in neighbours] == [(gateway, MAC.hex(":"))]
    (fdb,) = json.loads(run(["bridge", "-j", "fdb", "show", "dev", "flannel.1"]))
    assert (fdb["mac"], fdb["dst"], fdb["state"]) == (MAC.hex(":"), "192.0.2.9", "permanent")


@pytest.mark.parametrize("kind", ["gpe over 4", "gpe over 6"])
def test_ip_tells_the_same_of_an_encapsulation(world: World, kind: str) -> None:
    world.add(*world.way(FOUR, kind))
    text = run(["ip", "-d", "nexthop"])
    dst = "192.0.2.9" if kind == "gpe over 4" else "2001:db8::9"
    assert "encap ip" in text and " id 7 " in text and f"dst {dst}" in text and "dev gpe" in text


@pytest.mark.parametrize("family", [FOUR, SIX])
def test_a_lock_on_the_mtu_comes_changes_and_ends(world: World, family: int) -> None:
    *way, route = world.way(family, "classic")
    assert isinstance(route, RouteEntry)
    world.add(*way)
    option = "-6" if family == SIX else "-4"
    for lock in (1400, 1280, 0, 1400, 0):
        world.add(route._replace(mtu=lock))
        assert {one for one in world.entries() if isinstance(one, RouteEntry)} == {route._replace(mtu=lock)}
        text = run(["ip", option, "-d", "route", "show", "proto", PROTOCOL])
        assert (f"mtu lock {lock}" in text) == bool(lock) and text.count("nhid") == 1


def test_what_refuses_comes_after_everybodys(world: World) -> None:
    four = RouteEntry(FOUR, packed("10.244.0.0"), 16, 0, priority=BLACKHOLE_PRIORITY)
    six = RouteEntry(SIX, packed("fd00:244::"), 48, 0, priority=BLACKHOLE_PRIORITY)
    world.add(four, six)
    assert world.entries() == {four, six}
    (route,) = ip_json("route", "show", "type", "unreachable")
    assert (route["dst"], route["metric"]) == ("10.244.0.0/16", BLACKHOLE_PRIORITY)
    world.remove(four, six)
    assert world.entries() == set()


def test_a_nexthop_changes_its_kind_and_its_routes_stay(world: World) -> None:
    classic, gpe, direct = (world.way(FOUR, kind) for kind in ("classic", "gpe over 6", "direct"))
    world.add(*classic)
    for other in (gpe, direct, classic, direct, gpe):
        world.add(other[0])
        assert {other[0], classic[-1]} <= world.entries()
    assert len(ip_json("route", "show", "proto", PROTOCOL)) == 1


def test_a_mac_has_one_node_behind_it(world: World) -> None:
    first, second = (FdbEntry(world.tunnel, MAC, packed(dst)) for dst in ("192.0.2.8", "192.0.2.9"))
    world.add(first, second)
    assert world.entries() == {second} and not world.seen().doubles


def test_more_nodes_behind_one_mac_are_seen_and_removed(world: World) -> None:
    for dst in ("192.0.2.7", "192.0.2.8", "192.0.2.9"):  # only "everybody else" has a list
        run(["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "flannel.1", "dst", dst])
    seen = world.seen()
    assert len(seen.entries) == 1 and len(seen.doubles) == 2
    world.remove(*seen.doubles)
    assert set(world.seen().entries) == set(seen.entries) and not world.seen().doubles


def test_flannels_route_is_seen_and_removed_alone(world: World) -> None:
    run(["ip", "addr", "add", "10.244.17.0/32", "dev", "flannel.1"])
    run(["ip", "route", "add", "10.244.9.0/24", "via", "10.244.9.0", "dev", "flannel.1", "onlink"])
    run(["ip", "route", "add", "10.244.9.0/24", "dev", "eth0", "metric", "50"])
    (foreign,) = world.seen().foreign
    assert (foreign.dst, foreign.length, foreign.oif) == (packed("10.244.9.0"), 24, world.tunnel)
    world.remove(foreign)
    assert not world.seen().foreign
    assert [one["dev"] for one in ip_json("route", "show", "10.244.9.0/24")] == ["eth0"]


def test_what_is_not_ours_is_not_seen(world: World) -> None:
    run(["ip", "nexthop", "add", "id", "7", "via", "192.0.2.9", "dev", "eth0"])
    run(["ip", "route", "add", "10.99.0.0/16", "nhid", "7"])
    run(["ip", "neigh", "add", "192.0.2.9", "lladdr", MAC.hex(":"), "dev", "eth0"])
    run(["ip", "route", "add", "10.98.0.0/16", "dev", "flannel.1"])
    run(["ip", "route", "add", "10.244.9.0/24", "dev", "eth0", "table", "99", "proto", PROTOCOL])
    seen = world.seen()
    assert not seen.entries and not seen.foreign and not seen.doubles


def test_ours_goes_and_not_the_one_of_the_same_destination(world: World) -> None:
    way = world.way(FOUR, "classic")
    world.add(*way)
    run(["ip", "route", "prepend", "10.244.9.0/24", "via", "192.0.2.7", "dev", "eth0"])
    world.remove(way[-1])
    assert way[-1] not in world.entries()
    assert [one["dev"] for one in ip_json("route", "show", "10.244.9.0/24")] == ["eth0"]


def test_a_tunnel_that_has_gone_has_nothing(world: World) -> None:
    world.add(*world.way(FOUR, "classic"))
    run(["ip", "link", "del", "flannel.1"])
    assert world.entries() == set()


def test_many_are_written_and_read_in_one_go(world: World) -> None:
    entries: list[Entry] = []
    for n in range(1000):
        dst = bytes([10, 244 + (n >> 8), n & 255, 0])
        mac = bytes([2, 0, 0, 0, n >> 8, n & 255])
        entries += [
            Nexthop(N + n, FOUR, world.tunnel, dst, is_onlink=True), NeighbourEntry(world.tunnel, dst, mac),
            FdbEntry(world.tunnel, mac, bytes([198, 51, n >> 8, n & 255 or 1])),
            RouteEntry(FOUR, dst, 24, N + n),
        ]  # fmt: skip
    world.add(*entries)
    assert world.entries() == set(entries)
