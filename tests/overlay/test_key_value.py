"""Leases in a store with transactions: whose they are, whatever happens to whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cluster_store.store import Delete, Put, Store
from overlay.errors import NoLease, NotConfigured, Stolen
from overlay.flannel_form import dump_lease
from overlay.key_value import ALIVE_EVERY, RENEW_EVERY, KeyValueRegistry
from overlay.lease_table import LeaseTable
from overlay.record import NodeRecord
from overlay.registry import Changed, NodeFollower, Nodes
from overlay.subnet import parse_subnet
from tests.cluster_store.registries import EtcdRegistry, Registry
from tests.overlay.records import classic, node

SINGLE = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}
DUAL = SINGLE | {"EnableIPv6": True, "IPv6Network": "fd00:244::/48"}
SMALL = {"Network": "10.244.0.0/24", "SubnetLen": 26}  # three subnets
DUAL_SMALL = SMALL | {"EnableIPv6": True, "IPv6Network": "fd00:244::/60"}  # three, of fifteen
Open = Callable[..., KeyValueRegistry]


@pytest.fixture
def opened(registry: Registry) -> Iterator[Open]:
    """Give what opens a node's own registry."""
    made: list[KeyValueRegistry] = []

    def open_one(number: int, boot: str = "b1") -> KeyValueRegistry:
        made.append(KeyValueRegistry(registry.open(), f"node-{number}", boot))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def wanted(number: int, **fields: Any) -> NodeRecord:
    """Return what a node asks with: everything but a subnet."""
    return replace(node(number, created=0), key="", subnets=(), created=0, **fields)


def flannels(number: int, *subnets: str, **fields: Any) -> NodeRecord:
    offers = (classic(number, port=0, mac6=len(subnets) > 1),)
    return replace(node(number, *subnets), node="", boot="", mtu=0, wire_version=0, offers=offers, **fields)


def put(store: Store, record: NodeRecord, prefix: str = "/coreos.com/network") -> None:
    store.commit([], [Put(f"{prefix}/subnets/{record.key}", dump_lease(record))])


def configure(one: KeyValueRegistry, conf: dict[str, Any]) -> None:
    one.configure(json.dumps(conf))


def keys(store: Store) -> list[str]:
    return [
        item.key.removeprefix("/coreos.com/network/") for item in store.list("/coreos.com/network/").items
    ]


def no_two_share(records: list[NodeRecord]) -> bool:
    subnets = [subnet for one in records for subnet in one.subnets]
    return not any(a.overlaps(b) for i, a in enumerate(subnets) for b in subnets[:i])


def test_a_claim_is_flannels_key_and_ours_beside_it(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, SINGLE)
    record = one.acquire(wanted(1))
    one.keep_alive(record)
    (subnet,) = record.subnets
    assert subnet in one.net_conf().pool(4) and record.key == str(subnet).replace("/", "-")
    assert keys(store) == [
        "config", "podwire/alive/node-1", f"podwire/owned/{record.key}", f"subnets/{record.key}",
    ]  # fmt: skip
    value = store.read(f"/coreos.com/network/subnets/{record.key}")
    assert value is not None and value.value == dump_lease(record) and value.lease
    assert one.nodes().records == (replace(record, created=value.created),)


def test_dual_stack_is_one_key_and_each_subnet_has_its_owner(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, DUAL)
    record = one.acquire(wanted(1))
    assert [subnet.version for subnet in record.subnets] == [4, 6] and "&" in record.key
    allocs = [key for key in keys(store) if key.startswith("podwire/alloc/")]
    assert allocs == [f"podwire/alloc/{part}" for part in record.key.split("&")]


def test_no_network_is_said_with_what_to_do(opened: Open) -> None:
    with pytest.raises(NotConfigured, match="podwire overlay configure"):
        opened(1).acquire(wanted(1))
    with pytest.raises(NotConfigured, match="Network is missing"):
        opened(1).configure("{}")


def test_the_first_configuration_stays(opened: Open) -> None:
    one = opened(1)
    configure(one, SINGLE)
    configure(one, SMALL)
    assert str(one.net_conf().network) == "10.244.0.0/16"


@pytest.mark.parametrize("conf", [SINGLE, DUAL], ids=["single", "dual"])
def test_many_that_claim_at_once_never_have_the_same(opened: Open, conf: dict[str, Any]) -> None:
    configure(opened(0), conf)
    nodes = [opened(number) for number in range(1, 17)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = list(pool.map(lambda at: nodes[at].acquire(wanted(at + 1)), range(len(nodes))))
    assert no_two_share(found)
    assert sorted(one.key for one in opened(0).nodes().records) == sorted(one.key for one in found)


@pytest.mark.parametrize("conf", [SMALL, DUAL_SMALL], ids=["single", "dual"])
def test_for_the_last_subnets_some_lose_and_nobody_shares(opened: Open, conf: dict[str, Any]) -> None:
    configure(opened(0), conf)
    nodes = [opened(number) for number in range(1, 9)]

    def claim(at: int) -> NodeRecord | None:
        try:
            return nodes[at].acquire(wanted(at + 1))
        except NoLease:
            return None

    with ThreadPoolExecutor(len(nodes)) as pool:
        found = [one for one in pool.map(claim, range(len(nodes))) if one is not None]
    assert len(found) == 3 and no_two_share(found)


@pytest.mark.parametrize("conf", [SINGLE, DUAL], ids=["single", "dual"])
def test_claims_blocks_and_reservations_at_once_never_meet(
    opened: Open, store: Store, conf: dict[str, Any]
) -> None:
    configure(opened(0), conf | {"SubnetMin": "10.244.1.0", "SubnetMax": "10.244.20.0"})
    growers, claimers = [opened(n) for n in range(1, 5)], [opened(n) for n in range(5, 9)]
    leases = [one.acquire(wanted(at + 1)) for at, one in enumerate(growers)]
    reserver = opened(20)

    def reserve_some() -> None:
        for n in range(1, 12):
            with suppress(Stolen):
                reserver.reserve(parse_subnet(f"10.244.{n}.0/24"), "a router")

    with ThreadPoolExecutor(9) as pool:
        grown = [pool.submit(one.grow, lease, 4) for one, lease in zip(growers, leases, strict=True)]
        claimed = [pool.submit(one.acquire, wanted(at + 5)) for at, one in enumerate(claimers)]
        reserved = pool.submit(reserve_some)
        found = [one.result() for one in (*grown, *claimed)]
        reserved.result()
    assert no_two_share([*leases, *found])
    taken = [*leases, *found]
    for key in keys(store):
        if key.startswith("subnets/") and key.removeprefix("subnets/") not in {one.key for one in taken}:
            reservation = parse_subnet(key.removeprefix("subnets/").replace("-", "/"))
            assert not [one.key for one in taken for subnet in one.subnets if subnet.overlaps(reservation)]


@pytest.mark.parametrize("conf", [SINGLE, DUAL], ids=["single", "dual"])
def test_a_restarted_node_takes_up_its_lease(opened: Open, conf: dict[str, Any]) -> None:
    first = opened(1)
    configure(first, conf)
    record = first.acquire(wanted(1))
    assert opened(1).acquire(wanted(1)).subnets == record.subnets, "by its name"
    assert opened(1).acquire(replace(wanted(1), subnets=record.subnets)).key == record.key
    rebooted = opened(1, "b2").acquire(replace(record, boot="b2"))
    assert (rebooted.key, rebooted.boot) == (record.key, "b2")
    assert len(first.nodes().records) == 1


def test_a_block_is_not_taken_for_the_lease(opened: Open) -> None:
    one = opened(1)
    configure(one, SINGLE)
    lease = one.acquire(wanted(1))
    blocks = [one.grow(lease, 4) for _ in range(6)]
    assert opened(1).acquire(wanted(1)).key == lease.key
    found = {record.key: record.block_of for record in one.nodes().records}
    assert found == {lease.key: ""} | {block.key: lease.key for block in blocks}


def test_flannels_lease_is_taken_over_by_its_address(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, SINGLE)
    put(store, flannels(2, "10.244.99.0/24"))
    put(store, flannels(1, "10.244.17.0/24"))
    mine = wanted(1, public6="fd77::1")  # it has an IPv6 address as well, which flannel had no use for
    assert one.acquire(mine).key == "10.244.17.0-24"
    assert {record.node for record in one.nodes().records} == {"node-1", ""}


def test_flannels_dual_stack_lease_is_taken_over_by_its_addresses(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, DUAL)
    put(store, flannels(1, "10.244.17.0/24", "fd00:244:0:11::/64", public6="fd77::1"))
    assert one.acquire(wanted(1, public6="fd77::1")).key == "10.244.17.0-24&fd00:244:0:11::-64"


def test_a_lease_that_has_expired_is_taken_up_by_the_nodes_file(opened: Open) -> None:
    one = opened(1)
    configure(one, SINGLE)
    assert one.acquire(wanted(1), ["10.244.123.0-24"]).key == "10.244.123.0-24"


@pytest.mark.parametrize("previous", ["10.99.1.0-24", "10.244.1.0-24&fd00::-64", "nonsense", ""])
def test_a_file_of_another_network_is_no_reason(opened: Open, previous: str) -> None:
    one = opened(1)
    configure(one, SINGLE)
    assert one.acquire(wanted(1), [previous]).subnets[0] in one.net_conf().pool(4)


def test_a_file_whose_subnet_is_anothers_now_is_no_reason(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, DUAL)
    put(store, flannels(2, "10.244.17.0/24", "fd00:244:0:99::/64", public6="fd77::2"))
    record = one.acquire(wanted(1), ["10.244.17.0-24&fd00:244:0:11::-64"])
    assert no_two_share([record, flannels(2, "10.244.17.0/24", "fd00:244:0:99::/64")])


def stolen_by(opened: Open, conf: dict[str, Any] = SINGLE) -> tuple[KeyValueRegistry, NodeRecord]:
    one = opened(1)
    configure(one, conf)
    return one, one.acquire(wanted(1))


def test_who_finds_another_in_its_lease_is_told_whose_it_is(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    put(store, flannels(7, str(record.subnets[0])))
    for act in (one.publish, one.acquire):
        with pytest.raises(Stolen, match=f"{node(7).public4}'s now"):
            act(record)
    with pytest.raises(Stolen, match="now"):
        one.acquire(replace(record, key=""))
    put(store, replace(node(8, str(record.subnets[0]))))
    with pytest.raises(Stolen, match="node-8's now"):
        one.publish(record)


def test_who_lost_a_reserved_lease_is_told(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    one.release(record.key)
    opened(2).reserve(record.subnets[0], "a router")
    with pytest.raises(Stolen, match="reserved"):
        one.acquire(record)
    with pytest.raises(Stolen):
        one.publish(record)


def test_in_dual_stack_half_a_lease_can_be_anothers(opened: Open) -> None:
    one, record = stolen_by(opened, DUAL)
    one.release(record.key)
    other = opened(2)
    theirs = other.acquire(
        replace(wanted(2), subnets=(record.subnets[0], parse_subnet("fd00:244:0:99::/64")))
    )
    assert theirs.subnets[0] == record.subnets[0]
    with pytest.raises(Stolen, match="node-2"):
        one.acquire(record)


def test_two_nodes_of_one_name_are_not_one(opened: Open) -> None:
    one, record = stolen_by(opened)
    one.keep_alive(record)
    twin = opened(1, "another boot")
    with pytest.raises(Stolen, match=r"another living node at 192\.0\.2\.2 calls itself 'node-1'"):
        twin.acquire(wanted(1, boot="another boot", public4="192.0.2.77"))
    rebooted = twin.acquire(wanted(1, boot="another boot"))
    assert rebooted.key == record.key, "the same node after a reboot"


def test_a_released_lease_is_free_and_leaves_nothing(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened, DUAL)
    one.release(record.key)
    assert keys(store) == ["config"]
    with pytest.raises(NoLease, match="podwire overlay leases"):
        one.release(record.key)


def test_a_living_nodes_lease_is_released_by_force_only(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    one.keep_alive(record)
    other = opened(2)
    with pytest.raises(Stolen, match="--force"):
        other.release(record.key)
    other.release(record.key, force=True)
    assert [key for key in keys(store) if record.key in key] == []


def test_a_dead_nodes_lease_stays_until_somebody_releases_it(opened: Open, store: Store) -> None:
    record = stolen_by(opened)[1]
    store.commit([], [Delete(f"/coreos.com/network/subnets/{record.key}")])  # flannel's day is over
    other = opened(2)
    (seen,) = other.nodes().records
    assert (seen.key, seen.node, seen.is_live) == (record.key, "node-1", False)
    assert no_two_share([other.acquire(wanted(2)), record])
    other.release(record.key)
    assert [one.node for one in other.nodes().records] == ["node-2"]


def test_a_reservation_is_kept_from_everybody(opened: Open, store: Store) -> None:
    one = opened(1)
    configure(one, SMALL)
    one.reserve(parse_subnet("10.244.0.64/26"), "a router")
    with pytest.raises(Stolen, match="already"):
        one.reserve(parse_subnet("10.244.0.64/26"), "another")
    with pytest.raises(Stolen, match="already"):
        one.reserve(parse_subnet("10.244.0.0/25"), "more of it")
    assert f"subnets/{'10.244.0.64-26'}" in keys(store), "flanneld sees it"
    found = [opened(number).acquire(wanted(number)) for number in (1, 2)]
    assert sorted(str(record.subnets[0]) for record in found) == ["10.244.0.128/26", "10.244.0.192/26"]
    with pytest.raises(NoLease):
        opened(3).acquire(wanted(3))
    assert one.nodes().refused == ()
    one.release("10.244.0.64-26")
    assert opened(3).acquire(wanted(3)).key == "10.244.0.64-26"


def test_a_full_pool_says_how_many_there_are_and_whose_are_dead(opened: Open) -> None:
    configure(opened(0), SMALL)
    for number in (1, 2, 3):
        one = opened(number)
        record = one.acquire(wanted(number))
        if number == 1:
            one.keep_alive(record)
    with pytest.raises(NoLease) as caught:
        opened(4).acquire(wanted(4))
    said = str(caught.value)
    assert "all 3 subnets of 10.244.0.0/24 are taken" in said
    assert "2 of nodes not heard of" in said and "podwire overlay release" in said


def test_a_block_is_a_lease_of_its_own(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened, DUAL)
    block4, block6 = one.grow(record, 4), one.grow(record, 6)
    assert [block.subnets[0].version for block in (block4, block6)] == [4, 6]
    assert no_two_share([record, block4, block6])
    assert {f"subnets/{one.key}" for one in (record, block4, block6)} <= set(keys(store))
    one.publish(replace(block4, mtu=1400))
    assert {one.mtu for one in one.nodes().records if one.key == block4.key} == {1400}
    one.release(block4.key)
    assert not [key for key in keys(store) if block4.key in key and key != f"subnets/{record.key}"]


def test_what_a_node_publishes_is_what_others_read(opened: Open) -> None:
    one, record = stolen_by(opened)
    published = one.publish(replace(record, mtu=1400, zone="east"))
    (seen,) = opened(2).nodes().records
    assert (seen.mtu, seen.zone, seen.key) == (1400, "east", published.key)


def wait_for(follower: NodeFollower, is_it: Callable[[Nodes | Changed], bool]) -> Nodes | Changed:
    for _ in range(50):
        found = follower.next(2.0)
        if found is not None and is_it(found):
            return found
    raise AssertionError("nothing came")


def test_a_follower_sees_all_and_then_what_changes(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    follower = opened(2).follow()
    try:
        first = wait_for(follower, lambda found: isinstance(found, Nodes))
        assert isinstance(first, Nodes) and [seen.is_live for seen in first.records] == [False]

        def says(found: Nodes | Changed, key: str, test: Callable[[Any], bool]) -> bool:
            return isinstance(found, Changed) and key in found.records and test(found.records[key])

        one.keep_alive(record)
        wait_for(follower, lambda found: says(found, record.key, lambda seen: seen.is_live))
        one.publish(replace(record, mtu=1400))
        wait_for(follower, lambda found: says(found, record.key, lambda seen: seen.mtu == 1400))
        put(store, flannels(9, "10.244.9.0/24"))
        wait_for(follower, lambda found: says(found, "10.244.9.0-24", lambda seen: seen.wire_version == 0))
        store.commit([], [Put("/coreos.com/network/subnets/junk", "{}")])
        wait_for(follower, lambda found: says(found, "junk", lambda seen: bool(seen.reason)))
        one.release(record.key)
        wait_for(follower, lambda found: says(found, record.key, lambda seen: seen is None))
        store.commit([], [Put("/coreos.com/network/config", json.dumps(DUAL))])
        wait_for(follower, lambda found: isinstance(found, Changed) and found.net_conf)
    finally:
        follower.close()


def leases_of(store: Store, *names: str) -> dict[str, int]:
    items = store.list("/coreos.com/network/").items
    return {item.key: item.lease for item in items if item.lease and any(name in item.key for name in names)}


def test_leases_that_have_ended_are_made_again_blocks_too(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    block = one.grow(record, 4)
    one.keep_alive(record)
    before = leases_of(store, record.key, block.key, "alive")
    assert len(before) == 3
    for lease in before.values():
        store.revoke(lease)
    assert leases_of(store, record.key, block.key, "alive") == {}
    one.keep_alive(record)
    after = leases_of(store, record.key, block.key, "alive")
    assert set(after) == set(before) and not set(after.values()) & set(before.values())


def test_a_restarted_node_renews_its_blocks_too(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    block = one.grow(record, 4)
    lease = leases_of(store, block.key)
    store.revoke(*lease.values())
    again = opened(1)
    again.acquire(record)
    for _ in range(int(RENEW_EVERY / ALIVE_EVERY)):
        again.keep_alive(record)
    assert list(leases_of(store, block.key)) == list(lease)


class Slow(KeyValueRegistry):
    """A node that another one overtakes, once, between its look and its claim."""

    overtaken_by: Callable[[NodeRecord], object] | None = None

    def _write(self, record: NodeRecord, table: LeaseTable) -> NodeRecord:
        if (other := self.overtaken_by) is not None:
            self.overtaken_by = None
            other(record)
        return super()._write(record, table)


def test_who_loses_a_race_takes_another_and_leaves_nothing(
    registry: Registry, opened: Open, store: Store
) -> None:
    configure(opened(0), SINGLE)
    slow = Slow(registry.open(), "node-1", "b1")
    taken: list[NodeRecord] = []
    slow.overtaken_by = lambda record: taken.append(
        opened(2).acquire(replace(wanted(2), subnets=record.subnets))
    )
    record = slow.acquire(wanted(1))
    slow.close()
    assert no_two_share([record, *taken]) and len(taken) == 1
    if isinstance(registry, EtcdRegistry):
        said = json.loads(registry.server.control("lease", "list", "--write-out", "json"))
        assert len(said["leases"]) == 2, "one for each lease, and none for the claim that was lost"


@pytest.fixture
def etcd(registry: Registry) -> EtcdRegistry:
    if not isinstance(registry, EtcdRegistry):
        pytest.skip("about etcd alone")
    return registry


def ttl(etcd: EtcdRegistry, lease: int) -> dict[str, Any]:
    said = etcd.server.control("lease", "timetolive", f"{lease:x}", "--keys", "--write-out", "json")
    return dict(json.loads(said))


def test_flannels_key_lives_for_a_day_and_ours_for_good(
    etcd: EtcdRegistry, opened: Open, store: Store
) -> None:
    one, record = stolen_by(opened)
    one.keep_alive(record)
    lease = store.read(f"/coreos.com/network/subnets/{record.key}")
    owned = store.read(f"/coreos.com/network/podwire/owned/{record.key}")
    alive = store.read("/coreos.com/network/podwire/alive/node-1")
    assert lease is not None and owned is not None and alive is not None
    assert ttl(etcd, lease.lease)["granted-ttl"] == 86_400
    assert ttl(etcd, alive.lease)["granted-ttl"] == 60
    assert owned.lease == 0


def test_flannels_key_that_is_taken_over_keeps_its_time(
    etcd: EtcdRegistry, opened: Open, store: Store
) -> None:
    one = opened(1)
    configure(one, SINGLE)
    lease = store.grant(86_400)
    record = flannels(1, "10.244.17.0/24")
    store.commit([], [Put(f"/coreos.com/network/subnets/{record.key}", dump_lease(record), lease)])
    assert one.acquire(wanted(1)).key == record.key
    seen = store.read(f"/coreos.com/network/subnets/{record.key}")
    assert seen is not None and seen.lease == lease and ttl(etcd, lease)["ttl"] > 86_000


def test_a_flanneld_that_takes_what_had_run_out_is_the_owner_then(opened: Open, store: Store) -> None:
    one, record = stolen_by(opened)
    store.commit([], [Delete(f"/coreos.com/network/subnets/{record.key}")])
    put(store, flannels(7, str(record.subnets[0])))
    (seen,) = opened(2).nodes().records
    assert (seen.node, seen.public4) == ("", node(7).public4)
    with pytest.raises(Stolen):
        one.publish(record)
