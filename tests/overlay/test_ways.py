"""A record -> what leads there: the first offer that both ends speak, and plain routes where they work."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from hypothesis import given

from linuxnet.forwarding_entries import (
    TUNNEL_CSUM,
    TUNNEL_DONT_FRAGMENT,
    Encap,
    Entry,
    FdbEntry,
    NeighbourEntry,
    Nexthop,
    RouteEntry,
)
from linuxnet.numbers import BLACKHOLE_PRIORITY, NEXTHOP_BASE, NEXTHOP_BITS
from overlay.place import UNKNOWN, Path, Place
from overlay.record import Mode, NodeRecord, Offer
from overlay.subnet import parse_subnet
from overlay.ways import NexthopNumbers, entries_of, own_entries, pack, way_to
from tests.overlay.records import classic, mac_of, node, place, records

HERE, BOTH = place(), place("10.244.254.0/24", "fd00:244:0:fe::/64", outers=(4, 6))
GPE, DIRECT = Offer(Mode.GPE, 4790, 1), Offer(Mode.DIRECT)
SIX = "2001:db8::1"


def both(*offers: Offer, **fields: object) -> NodeRecord:
    subnets = ("10.244.1.0/24", "fd00:244:0:1::/64")
    return replace(node(1, *subnets, public6=SIX, offers=offers), **fields)  # type: ignore[arg-type]


def led(where: Place, record: NodeRecord, path: Path = UNKNOWN) -> list[Entry]:
    return list(entries_of(where, record, NexthopNumbers(), lambda version: path))


def test_classic_is_a_nexthop_a_neighbour_an_fdb_entry_and_a_route() -> None:
    nexthop, neighbour, fdb, route = led(HERE, node(1))
    assert isinstance(nexthop, Nexthop) and isinstance(route, RouteEntry)
    net, mac = pack("10.244.1.0"), bytes.fromhex(mac_of(1).replace(":", ""))
    assert nexthop == Nexthop(nexthop.id, socket.AF_INET, 14, net, is_onlink=True)
    assert neighbour == NeighbourEntry(14, net, mac)
    assert fdb == FdbEntry(14, mac, pack("192.0.2.2"))
    assert route == RouteEntry(socket.AF_INET, net, 24, nexthop.id)


def test_gpe_is_a_nexthop_and_a_route() -> None:
    nexthop, route = led(HERE, node(1, offers=(GPE,)))
    assert isinstance(nexthop, Nexthop)
    encap = Encap(1, pack("192.0.2.2"), pack("192.0.2.254"), TUNNEL_DONT_FRAGMENT)
    assert nexthop == Nexthop(nexthop.id, socket.AF_INET, 24, encap=encap)
    assert isinstance(route, RouteEntry) and route.nexthop == nexthop.id


def test_an_outer_ipv6_has_check_sums() -> None:
    six = place("fd00:244:0:fe::/64", outers=(6,))
    record = node(1, public4="", public6=SIX, offers=(GPE,))
    nexthop = led(six, record)[0]
    assert isinstance(nexthop, Nexthop) and nexthop.encap is not None
    assert nexthop.encap.flags == TUNNEL_DONT_FRAGMENT | TUNNEL_CSUM


OUTERS = [
    (BOTH, both(classic(1, mac6=True)), 4, 4), (BOTH, both(classic(1, mac6=True)), 6, 6),
    (HERE, both(classic(1, mac6=True)), 6, 4), (BOTH, both(classic(1)), 6, 4),
    (BOTH, both(GPE), 4, 4), (BOTH, both(GPE), 6, 6), (HERE, both(GPE), 6, 4),
    (BOTH, both(GPE, public4=""), 4, 6),
]  # fmt: skip


@pytest.mark.parametrize(("where", "record", "inner", "outer"), OUTERS)
def test_each_inner_family_goes_over_its_own_outer_one_or_else_the_other(
    where: Place, record: NodeRecord, inner: int, outer: int
) -> None:
    way = way_to(where, record, inner)
    assert way is not None and way.outer == outer


def test_the_receivers_first_offer_that_is_spoken_here_is_taken() -> None:
    record = node(1, offers=(GPE, classic(1)))
    way = way_to(HERE, record, 4)
    assert way is not None and way.mode is Mode.GPE
    only_classic = replace(
        HERE, tunnels={key: one for key, one in HERE.tunnels.items() if key[0] is Mode.VXLAN}
    )
    way = way_to(only_classic, record, 4)
    assert way is not None and way.mode is Mode.VXLAN


@pytest.mark.parametrize("offer", [classic(1, port=4789), classic(1, vni=2), replace(GPE, vni=2)])
def test_another_port_or_vni_is_no_way_in(offer: Offer) -> None:
    assert way_to(HERE, node(1, offers=(offer,)), 4) is None
    assert led(HERE, node(1, offers=(offer,))) == []


def test_flannels_lease_names_no_port_and_means_the_networks() -> None:
    way = way_to(HERE, node(1, offers=(classic(1, port=0),), wire_version=0), 4)
    assert way is not None and way.index == 14
    assert way_to(replace(HERE, port=4789), node(1, offers=(classic(1, port=0),)), 4) is None


# (what the place wants, what is known of the path, whose record, whether plain routes are taken)
PLAIN = [
    (False, Path(is_on_link=True, is_verified=True), node(1), False),
    (True, Path(is_on_link=True, is_verified=True), node(1), True),
    (True, Path(is_on_link=True, is_verified=False), node(1), False),
    (True, Path(is_on_link=False, is_verified=True), node(1), False),
    (True, Path(is_on_link=True, is_verified=False), node(1, wire_version=0), True),
    (True, Path(is_on_link=False, is_verified=False), node(1, wire_version=0), False),
    (False, Path(), node(1, offers=(DIRECT,)), True),
    (False, Path(), node(1, offers=(DIRECT, GPE)), False),
]


@pytest.mark.parametrize(("wants", "path", "record", "is_plain"), PLAIN)
def test_plain_routes_are_taken_where_both_ends_want_and_they_work(
    wants: bool, path: Path, record: NodeRecord, is_plain: bool
) -> None:
    where = replace(HERE, is_direct=wants)
    way = way_to(where, record, 4, path)
    assert way is not None and (way.mode is Mode.DIRECT) == is_plain
    if is_plain:
        nexthop, route = led(where, record, path)
        assert isinstance(nexthop, Nexthop)
        assert nexthop == Nexthop(nexthop.id, socket.AF_INET, 2, pack("192.0.2.2"))
        assert isinstance(route, RouteEntry) and route.mtu == 0


# (the path's MTU as found, what the node says of its underlay, the lock)
LOCKS = [(0, 1500, 0), (0, 0, 0), (1400, 1500, 1400), (0, 1400, 1350), (1300, 1400, 1300), (1400, 1400, 1350),
         (9000, 9000, 0), (0, 9000, 0)]  # fmt: skip


@pytest.mark.parametrize(("path", "told", "lock"), LOCKS)
def test_a_smaller_path_is_locked(path: int, told: int, lock: int) -> None:
    route = led(HERE, node(1, mtu=told), Path(mtu=path))[-1]
    assert isinstance(route, RouteEntry) and route.mtu == lock


def test_each_subnet_has_its_route_and_one_mac_has_one_place() -> None:
    record = both(classic(1, mac6=True), mtu=1500)
    found = led(BOTH, record)
    assert [one.length for one in found if isinstance(one, RouteEntry)] == [24, 64]
    assert {one.oif for one in found if isinstance(one, FdbEntry)} == {14, 16}
    assert len({one.key for one in found}) == len(found)


@given(records())
def test_any_record_is_led_to_by_what_the_kernel_takes_in_order(record: NodeRecord) -> None:
    made: set[int] = set()
    for entry in led(replace(BOTH, port=8472), record):
        if isinstance(entry, Nexthop):
            assert len(entry.gateway) in (0, 4, 16) and entry.id not in made
            made.add(entry.id)
        elif isinstance(entry, RouteEntry):
            assert entry.nexthop in made
            assert entry.mtu == 0 or entry.mtu >= 576
        else:
            assert len(entry.mac) == 6


def test_packets_for_absent_subnets_do_not_leave() -> None:
    assert own_entries(HERE) == tuple(
        RouteEntry(family, pack(base), length, 0, priority=BLACKHOLE_PRIORITY)
        for family, base, length in ((socket.AF_INET, "10.244.0.0", 16), (socket.AF_INET6, "fd00:244::", 48))
    )
    assert own_entries(replace(HERE, has_blackhole=False)) == ()


def in_range(number: int) -> bool:
    return NEXTHOP_BASE <= number < NEXTHOP_BASE + (1 << NEXTHOP_BITS)


def test_numbers_are_the_same_for_every_agent_and_nobody_elses() -> None:
    nets = [parse_subnet(f"10.{n >> 8}.{n & 255}.0/24") for n in range(20_000)]
    one, other = NexthopNumbers(), NexthopNumbers()
    found = [one.of(net) for net in nets]
    assert len(set(found)) == len(nets) and all(map(in_range, found))
    assert [other.of(net) for net in nets] == found == [one.of(net) for net in nets]


def route_by(number: int, net: str = "10.244.9.0") -> dict[tuple[object, ...], Entry]:
    entry = RouteEntry(socket.AF_INET, pack(net), 24, number)
    return {entry.key: entry}


def test_a_new_agent_goes_on_with_the_old_ones_numbers() -> None:
    numbers = NexthopNumbers()
    numbers.learn(route_by(NEXTHOP_BASE + 5) | route_by(NEXTHOP_BASE + 5, "10.244.8.0"))
    first, second = numbers.of(parse_subnet("10.244.9.0/24")), numbers.of(parse_subnet("10.244.8.0/24"))
    assert first == NEXTHOP_BASE + 5 and second != first
    numbers.forget(parse_subnet("10.244.9.0/24"))
    numbers.learn(route_by(NEXTHOP_BASE + 5, "10.244.7.0"))
    assert numbers.of(parse_subnet("10.244.7.0/24")) == NEXTHOP_BASE + 5


def test_a_number_of_somebody_elses_is_not_learnt() -> None:
    numbers = NexthopNumbers()
    numbers.learn(route_by(7))
    assert in_range(numbers.of(parse_subnet("10.244.9.0/24")))
