"""The programmer on a real kernel: whatever was done to it, one pass makes it what it should be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from linuxnet.forwarding_dumps import look
from linuxnet.forwarding_entries import RouteEntry
from linuxnet.netlink import Netlink
from linuxnet.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from linuxnet.numbers import NFT_OVERLAY_TABLE, OVERLAY_PROTOCOL
from linuxnet.tunnel_guard import Boundaries
from overlay.admission import Admission
from overlay.devices import ensure_devices, offered_devices
from overlay.place import Path, Place, Uplink
from overlay.programmer import Programmer
from overlay.record import Mode, NodeRecord, Offer
from overlay.subnet import parse_subnet
from tests.calls import ip_json, run
from tests.overlay.records import NETWORKS, classic, node

OFFERS = (Offer(Mode.VXLAN, 8472, 1, "02:00:00:00:00:fe", "02:00:00:00:06:fe"), Offer(Mode.GPE, 4790, 1))
OWN = (parse_subnet("10.244.254.0/24"), parse_subnet("fd00:244:0:fe::/64"))
PROTOCOL = str(OVERLAY_PROTOCOL)
TABLE = NFT_OVERLAY_TABLE


class World:
    """One node: its devices, and what it believes of others."""

    def __init__(self) -> None:
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])
        run(["ip", "addr", "add", "192.0.2.254/24", "dev", "eth0"])
        run(["ip", "addr", "add", "2001:db8::fe/64", "dev", "eth0", "nodad"])
        for name in ("eth0", "eth1"):
            run(["ip", "link", "set", name, "up"])
        self.netlink, self.socket = Netlink(), NetlinkSocket(NETLINK_ROUTE)
        self.paths: dict[str, Path] = {}
        self.programmer = Programmer(paths=lambda key, version: self.paths.get(key, Path()), may_delete=True)
        networks = tuple(map(str, NETWORKS))
        self.programmer.guarding.boundaries = Boundaries((4790, 8472), (4790,), networks, networks)
        self.records: dict[str, NodeRecord] = {}
        self.now = 0.0
        self.stand()

    def close(self) -> None:
        self.programmer.close()
        self.netlink.close()
        self.socket.close()

    def stand(self) -> None:
        """Make the devices, as the node does when one has gone."""
        index = self.netlink.index_of("eth0")
        uplinks = {
            4: Uplink("eth0", index, "192.0.2.254", 1500),
            6: Uplink("eth0", index, "2001:db8::fe", 1500),
        }
        tunnels, refused = ensure_devices(self.netlink, offered_devices(OFFERS, uplinks, port=8472), OWN)
        assert not refused
        self.place = Place("own", "self", OWN, NETWORKS, tunnels, uplinks, is_direct=True)
        self.programmer.place = self.place
        self.admission = Admission(self.place)
        for record in self.records.values():
            self.admission.offer(record)

    def offer(self, record: NodeRecord) -> None:
        self.records[record.key] = record
        self.refresh(self.admission.offer(record))

    def withdraw(self, key: str) -> None:
        self.records.pop(key, None)
        self.refresh(self.admission.withdraw(key))

    def refresh(self, keys: list[str]) -> None:
        self.now += 1
        self.programmer.refresh(self.admission, keys, self.now)

    def indexes(self) -> set[int]:
        return {one.index for one in self.place.tunnels.values()}

    def reconcile(self) -> int:
        self.now += 100
        return self.programmer.reconcile(self.admission, self.now, self.indexes())

    def assert_right(self) -> None:
        """Compare the kernel with what is wanted, and what is wanted with a plan made from nothing."""
        seen = look(self.socket, self.indexes())
        assert seen.entries == self.programmer.wanted
        assert not seen.foreign and not seen.doubles
        assert not self.programmer.troubles
        guarding = self.programmer.guarding
        assert guarding.guard.seen(guarding._grain) == set(guarding._uses)
        routes = {
            entry.dst for entry in seen.entries.values() if isinstance(entry, RouteEntry) and entry.nexthop
        }
        assert routes == {one.packed for record in self.admission.admitted.values() for one in record.subnets}


@pytest.fixture
def world(host: None) -> Iterator[World]:
    made = World()
    yield made
    made.close()


def some_record(random: Random) -> NodeRecord:
    """Make any of 40 nodes' records: of either family, classic or GPE, of a flanneld or ours."""
    n = random.randrange(1, 40)
    created = random.choice((n, n + 100))
    public6 = f"2001:db8::{n:x}"
    six, four = f"fd00:244:0:{n:x}::/64", f"10.244.{n}.0/24"
    kind = random.randrange(6)
    gpe = Offer(Mode.GPE, 4790, 1)
    if kind == 0:
        return node(n, four, created=created, key=f"n{n}", offers=(gpe,))
    if kind == 1:
        return node(n, four, six, created=created, key=f"n{n}", public6=public6, offers=(gpe, classic(n)))
    if kind == 2:
        offers = (classic(n, mac6=True),)
        return node(n, four, six, created=created, key=f"n{n}", public6=public6, offers=offers)
    if kind == 3:
        other = f"10.244.{random.randrange(1, 40)}.0/25"  # in another's way, perhaps
        return node(n, other, created=created, key=f"n{n}", offers=(classic(n),))
    if kind == 4:
        moved = f"192.0.2.{random.randrange(100, 200)}"
        return node(n, four, created=created, key=f"n{n}", public4=moved, offers=(classic(n + 1000),))
    return node(n, four, key=f"n{n}", offers=(classic(n, port=0),), node="", boot="", wire_version=0, mtu=0)


def quietly(*command: str) -> None:
    with suppress(AssertionError):  # what is to be damaged may not be there
        run(list(command))


def ours(option: str) -> list[dict[str, object]]:
    return [one for one in ip_json(option, "route", "show", "proto", PROTOCOL) if one.get("nhid")]


def delete_routes(random: Random) -> None:
    for option in ("-4", "-6"):
        for one in ours(option):
            if random.random() < 0.4:
                quietly("ip", option, "route", "del", str(one["dst"]), "proto", PROTOCOL)


def delete_nexthops(random: Random) -> None:
    for one in ip_json("nexthop"):
        if random.random() < 0.4:
            quietly("ip", "nexthop", "del", "id", str(one["id"]))


def flush_neighbours(random: Random) -> None:
    quietly("ip", "neigh", "flush", "dev", "flannel.1", "nud", "permanent")


def spoil_neighbours(random: Random) -> None:
    for one in ip_json("neigh", "show", "dev", "flannel.1", "nud", "permanent")[:5]:
        quietly("ip", "neigh", "replace", one["dst"], "lladdr", "02:de:ad:00:00:01", "dev", "flannel.1")


def spoil_fdb(random: Random) -> None:
    for one in json.loads(run(["bridge", "-j", "fdb", "show", "dev", "flannel.1"]))[:5]:
        how = random.choice(("replace", "append", "del"))
        dst = one["dst"] if how == "del" else f"192.0.2.{random.randrange(200, 250)}"
        quietly("bridge", "fdb", how, one["mac"], "dev", "flannel.1", "dst", dst)


def plant_defaults(random: Random) -> None:
    for dst in ("192.0.2.7", "192.0.2.8"):
        quietly("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "flannel.1", "dst", dst)


def plant_strangers(random: Random) -> None:
    """Leave what another agent, or a flanneld, may have left."""
    n = random.randrange(40, 60)
    quietly("ip", "nexthop", "add", "id", str(0x70000000 + n), "dev", "flannel.1", "proto", PROTOCOL)
    quietly("ip", "route", "add", f"10.244.{n}.0/24", "nhid", str(0x70000000 + n), "proto", PROTOCOL)
    quietly("ip", "neigh", "add", f"10.244.{n}.0", "lladdr", "02:de:ad:00:00:02", "dev", "flannel.1")
    quietly("bridge", "fdb", "add", "02:de:ad:00:00:02", "dev", "flannel.1", "dst", "192.0.2.250")


def plant_flannels_route(random: Random) -> None:
    n = random.randrange(1, 60)
    quietly("ip", "route", "del", f"10.244.{n}.0/24", "proto", PROTOCOL)
    quietly("ip", "route", "add", f"10.244.{n}.0/24", "via", f"10.244.{n}.0", "dev", "flannel.1", "onlink")


def lock_routes(random: Random) -> None:
    for one in ours("-4")[:5]:
        quietly("ip", "route", "replace", str(one["dst"]), "nhid", str(one["nhid"]), "proto", PROTOCOL, "mtu",
                "lock", "1000")  # fmt: skip


def cross_nexthops(random: Random) -> None:
    """Have routes go by each other's nexthops."""
    found = ours("-4")[:6]
    for one, other in pairwise(found):
        quietly("ip", "route", "replace", str(one["dst"]), "nhid", str(other["nhid"]), "proto", PROTOCOL)


def delete_device(random: Random) -> None:
    quietly("ip", "link", "del", random.choice(("flannel.1", "flannel-v6.1", "podwire.1")))


def bounce_device(random: Random) -> None:
    name = random.choice(("flannel.1", "podwire.1", "eth0"))
    quietly("ip", "link", "set", name, "down")
    quietly("ip", "link", "set", name, "up")
    quietly("ip", "addr", "replace", "2001:db8::fe/64", "dev", "eth0", "nodad")


def flush_sets(random: Random) -> None:
    for name in ("peers4", "hosts44", "peers6"):
        quietly("nft", "flush", "set", "inet", TABLE, name)


def plant_peer(random: Random) -> None:
    quietly("nft", "add", "element", "inet", TABLE, "peers4", "{ 203.0.113.66 }")


def flush_chain(random: Random) -> None:
    quietly("nft", "flush", "chain", "inet", TABLE, "tunnel")


def delete_table(random: Random) -> None:
    quietly("nft", "delete", "table", "inet", TABLE)


def flush_ruleset(random: Random) -> None:
    quietly("nft", "flush", "ruleset")


DAMAGES: tuple[Callable[[Random], None], ...] = (
    delete_routes, delete_nexthops, flush_neighbours, spoil_neighbours, spoil_fdb, plant_defaults,
    plant_strangers, plant_flannels_route, lock_routes, cross_nexthops, delete_device, bounce_device,
    flush_sets, plant_peer, flush_chain, delete_table, flush_ruleset,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_each_damage_is_mended_by_one_pass(world: World, damage: Callable[[Random], None]) -> None:
    random = Random(damage.__name__)
    for _ in range(30):
        world.offer(some_record(random))
    world.reconcile()
    world.assert_right()
    damage(random)
    world.stand()
    world.reconcile()
    world.assert_right()
    assert world.reconcile() == 0, "a second pass has nothing to do"


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_of_records_paths_and_damages_ends_right_after_each_step(world: World, seed: int) -> None:
    random = Random(seed)
    for step in range(25):
        for _ in range(random.randrange(1, 8)):
            if world.records and random.random() < 0.3:
                world.withdraw(random.choice(sorted(world.records)))
            else:
                world.offer(some_record(random))
        for key in random.sample(sorted(world.records), min(3, len(world.records))):
            mtu = random.choice((0, 0, 1300, 1400))
            world.paths[key] = Path(is_on_link=random.random() < 0.5, is_verified=True, mtu=mtu)
            world.refresh([key])
        if step % 3 == 0:
            for damage in random.sample(DAMAGES, random.randrange(1, 4)):
                damage(random)
            world.stand()
            world.reconcile()
        elif step == 1:
            world.reconcile()  # the way the node starts
        world.assert_right()


def test_one_peers_change_touches_one_peers_entries(world: World) -> None:
    for n in range(1, 50):
        world.offer(node(n))
    world.reconcile()
    sent = world.programmer._socket.sent
    world.offer(replace(node(7), public4="192.0.2.200"))
    assert world.programmer._socket.sent - sent == 1, "its FDB entry"
    world.assert_right()
    world.offer(replace(node(7), public4="192.0.2.200"))
    assert world.programmer._socket.sent - sent == 1, "nothing has changed"


def test_nothing_goes_before_the_first_snapshot(world: World) -> None:
    for n in range(1, 10):
        world.offer(node(n))
    world.reconcile()
    before = look(world.socket, world.indexes()).entries
    again = Programmer(place=world.place)
    again.guarding.boundaries = world.programmer.guarding.boundaries
    try:
        tunnels = world.indexes()
        admission = Admission(world.place)
        admission.offer(node(60))
        again.reconcile(admission, 0.0, tunnels)
        after = look(world.socket, tunnels).entries
        assert before.items() <= after.items() and len(after) == len(before) + 4
        peers = run(["nft", "list", "set", "inet", TABLE, "peers4"])
        assert "192.0.2.2," in peers and node(60).public4 in peers
        again.may_delete = True
        again.reconcile(admission, 1.0, tunnels)
        assert look(world.socket, tunnels).entries == again.wanted
        assert "192.0.2.2," not in run(["nft", "list", "set", "inet", TABLE, "peers4"])
    finally:
        again.close()


def test_a_new_agent_changes_nothing(world: World) -> None:
    random = Random(5)
    for _ in range(30):
        world.offer(some_record(random))
    world.reconcile()
    again = Programmer(place=world.place, paths=world.programmer.paths, may_delete=True)
    again.guarding.boundaries = world.programmer.guarding.boundaries
    try:
        tunnels = world.indexes()
        assert again.reconcile(world.admission, 0.0, tunnels) == 0
    finally:
        again.close()


def test_a_peer_that_cannot_be_programmed_is_told_and_tried_again_and_hurts_nobody(world: World) -> None:
    far = node(9, offers=(Offer(Mode.DIRECT),), public4="203.0.113.9")
    world.offer(node(1))
    world.offer(far)
    assert set(world.programmer.troubles) == {far.key}
    assert "203.0.113.9" in world.programmer.troubles[far.key].message
    trouble = world.programmer.troubles[far.key]
    assert world.programmer.due(trouble.retry_at - 0.1) == [] and world.programmer.due(trouble.retry_at) == [
        far.key
    ]
    pauses = []
    for _ in range(8):
        world.refresh([far.key])
        pauses.append(world.programmer.troubles[far.key].pause)
    assert pauses == sorted(pauses) and pauses[0] == 2.0 and pauses[-1] == 60.0
    run(["ip", "addr", "add", "203.0.113.1/24", "dev", "eth0"])
    world.refresh([far.key])
    world.reconcile()
    world.assert_right()
