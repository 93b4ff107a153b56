"""Who gets which address, and gets it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from netaddr import IPAddress, IPNetwork

from cni_spec.errors import ADDRESSES_EXHAUSTED, ALREADY_ALLOCATED, INVALID_CONFIG, CheckFailed, CniError
from ipam.allocator import Wish, check, collect, preview
from ipam.directory import Owner
from ipam.pools import NO_GATEWAY, RangeSet, make_range, make_range_set
from ipam.usage import usage
from tests.ipam_world import World, assert_in_step, files, pool


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# pools, addresses taken before (by "last" the one given last), next: the reference's allocator_test.go
ROUND_ROBIN = [
    (["10.0.0.0/29"], "", None, "10.0.0.2"),
    (["2001:db8:1::/64"], "", None, "2001:db8:1::2"),
    (["10.0.0.0/30"], "", None, "10.0.0.2"),
    (["10.0.0.0/29"], "10.0.0.2", None, "10.0.0.3"),
    (["10.0.0.0/29"], "10.0.0.2", "10.0.0.2", "10.0.0.3"),
    (["10.0.0.0/29"], "10.0.0.5", "10.0.0.5", "10.0.0.6"),
    (["10.0.0.0/29"], "10.0.0.4 10.0.0.5", "10.0.0.3", "10.0.0.6"),
    (["10.0.0.0/29"], "10.0.0.6", "10.0.0.6", "10.0.0.2"),
    (["10.0.0.0/29"], "", "10.0.0.3", "10.0.0.4"),
    (["10.0.0.0/29"], "10.0.0.2 10.0.0.4 10.0.0.5 10.0.0.6", "10.0.0.2", "10.0.0.3"),
    (["10.0.0.0/30", "10.0.1.0/30"], "10.0.0.2", None, "10.0.1.2"),
    (["10.0.0.0/29", "10.0.1.0/29"], "", "10.0.0.6", "10.0.1.2"),
    (["10.0.0.0/29", "10.0.1.0/29"], "", "10.0.1.6", "10.0.0.2"),
    (["10.0.0.0/29", "10.0.1.0/29"], "", "192.168.1.1", "10.0.0.2"),
]


@pytest.mark.parametrize(("subnets", "taken", "last", "expected"), ROUND_ROBIN)
def test_round_robin(world: World, subnets: list[str], taken: str, last: str | None, expected: str) -> None:
    world.pools = [pool(*subnets)]
    world.path.mkdir()
    for name in taken.split():
        (world.path / name).write_text("someone\r\neth0")
    if last:
        (world.path / "last_reserved_ip.0").write_text(last)
    assert world.add("me") == [expected]
    assert (world.path / "last_reserved_ip.0").read_text() == expected


def test_a_pool_goes_round_before_an_address_comes_back(world: World) -> None:
    world.pools = [pool("10.0.0.0/29")]
    given = []
    for i in range(7):
        given += world.add(f"c{i}")
        world.delete(f"c{i}")
    assert given == [f"10.0.0.{n}" for n in (2, 3, 4, 5, 6, 2, 3)]


def test_a_full_pool_says_so_and_gives_again_after_a_release(world: World) -> None:
    world.pools = [pool("10.0.0.0/30 10.0.0.1 10.0.0.2", "10.0.1.0/30")]
    assert [world.add("a"), world.add("b")] == [["10.0.0.2"], ["10.0.1.2"]]
    with pytest.raises(
        CniError, match=r"no IP addresses available in range set: 10.0.0.1-10.0.0.2,10.0.1.1-"
    ) as e:
        world.add("c")
    assert e.value.code == ADDRESSES_EXHAUSTED and "0 of 2 free" in e.value.details
    world.delete("a")
    assert world.add("c") == ["10.0.0.2"]


def test_one_address_comes_from_each_pool_with_its_prefix_and_gateway(world: World) -> None:
    world.pools = [
        pool("10.0.0.0/24"),
        pool("2001:db8::/64"),
        make_range_set([make_range(IPNetwork("192.0.2.0/31"), gateway=NO_GATEWAY)]),
    ]
    leases = world.lease("a")
    assert [str(one.address) for one in leases] == ["10.0.0.2/24", "2001:db8::2/64", "192.0.2.0/31"]
    assert [str(one.gateway) for one in leases] == ["10.0.0.1", "2001:db8::1", "None"]
    assert sorted(files(world.path)) == ["10.0.0.2", "192.0.2.0", "2001:db8::2"]
    assert world.delete("a") == ["10.0.0.2", "192.0.2.0", "2001:db8::2"]
    assert files(world.path) == {}


def test_all_or_none(world: World) -> None:
    world.pools = [pool("10.0.0.0/24"), pool("10.9.9.9/32")]
    world.add("a")
    before = files(world.path)
    with pytest.raises(CniError, match="no IP addresses available"):
        world.add("b")
    assert files(world.path) == before
    assert_in_step(world)


def test_a_container_gets_no_second_address_of_a_pool(world: World) -> None:
    world.add("a")
    with pytest.raises(
        CniError, match=r"10.1.0.2 has been allocated to a, duplicate allocation is not allowed"
    ) as e:
        world.add("a")
    assert e.value.code == ALREADY_ALLOCATED
    assert files(world.path) == {"10.1.0.2": "a\r\neth0"}


def test_requested_addresses_go_to_their_pools(world: World) -> None:
    world.pools = [pool("10.0.0.0/24"), pool("10.0.1.0/24"), pool("2001:db8::/64")]
    assert world.add("a", "2001:db8::77", "10.0.0.77") == ["10.0.0.77", "10.0.1.2", "2001:db8::77"]


@pytest.mark.parametrize(
    ("requested", "complaint", "code"),
    [
        (
            "10.1.0.2",
            "requested IP address 10.1.0.2 is not available .*reserved for a eth0",
            ADDRESSES_EXHAUSTED,
        ),
        ("10.1.0.1", "requested IP 10.1.0.1 is the gateway", ADDRESSES_EXHAUSTED),
        ("10.9.0.5", "failed to allocate all requested IPs: 10.9.0.5", INVALID_CONFIG),
        ("10.1.0.7 10.1.0.8", "failed to allocate all requested IPs: 10.1.0.8", INVALID_CONFIG),
    ],
)
def test_a_request_that_cannot_be_met_takes_nothing(
    world: World, requested: str, complaint: str, code: int
) -> None:
    world.add("a")
    with pytest.raises(CniError, match=complaint) as caught:
        world.add("b", *requested.split())
    assert caught.value.code == code
    assert files(world.path) == {"10.1.0.2": "a\r\neth0"}


def test_a_request_for_an_excluded_address_is_refused(world: World) -> None:
    subnet = IPNetwork("10.1.0.0/24")
    world.pools = [make_range_set([make_range(subnet, exclude=[IPNetwork("10.1.0.0/28")])])]
    assert world.add("a") == ["10.1.0.16"]
    with pytest.raises(CniError, match="not handed out"):
        world.add("b", "10.1.0.5")


def test_a_preview_is_what_add_gives_and_takes_nothing(world: World) -> None:
    seen = world.run(lambda store: preview(store, world.pools, Wish(Owner("a", "eth0"))))
    assert files(world.path) == {}
    assert world.lease("a") == seen


def test_release_twice_is_quiet(world: World) -> None:
    world.add("a")
    assert world.delete("a") == ["10.1.0.2"]
    assert world.delete("a") == [] == world.delete("never")


def test_interfaces_of_one_container_are_told_apart(world: World) -> None:
    world.add("a")
    world.run(lambda store: store.reserve(b"\x04\x0a\x01\x00\x63", Owner("a", "net1"), "", 0))
    assert world.delete("a", "net1") == ["10.1.0.99"]
    assert files(world.path) == {"10.1.0.2": "a\r\neth0"}


def test_files_that_name_only_the_container_are_honoured(world: World) -> None:
    world.path.mkdir()
    (world.path / "10.1.0.5").write_text("  a\n")
    with pytest.raises(CniError, match="duplicate"):
        world.add("a")
    assert world.add("b", "10.1.0.6") == ["10.1.0.6"]
    assert world.delete("a") == ["10.1.0.5"]
    assert files(world.path) == {"10.1.0.6": "b\r\neth0"}


def test_an_exact_match_goes_before_an_old_file(world: World) -> None:
    world.path.mkdir()
    (world.path / "10.1.0.5").write_text("a")
    (world.path / "10.1.0.6").write_text("a\r\neth0")
    assert world.delete("a") == ["10.1.0.6"]
    assert world.delete("a") == ["10.1.0.5"]


def test_a_released_address_cools_down(world: World) -> None:
    world.pools, world.cooldown = [pool("10.0.0.0/29 10.0.0.2 10.0.0.3")], 60
    assert world.add("a") + world.add("b") == ["10.0.0.2", "10.0.0.3"]
    world.delete("a")
    with pytest.raises(CniError, match="no IP addresses available") as caught:
        world.add("c")
    assert "1 cooling" in caught.value.details
    world.time += 59
    with pytest.raises(CniError):
        world.add("c")
    world.time += 1
    assert world.add("c") == ["10.0.0.2"]
    assert_in_step(world)


def test_a_clock_that_is_set_back_cools_nothing_for_ever(world: World) -> None:
    world.pools, world.cooldown = [pool("10.0.0.0/29 10.0.0.2 10.0.0.2")], 60
    world.add("a")
    world.delete("a")
    world.time -= 10_000
    assert world.add("b") == ["10.0.0.2"]


def test_a_cooling_address_can_be_requested(world: World) -> None:
    world.cooldown = 60
    world.add("a")
    world.delete("a")
    assert world.add("b", "10.1.0.2") == ["10.1.0.2"]


def test_a_name_gets_its_address_back(world: World) -> None:
    assert world.add("db-0-first", name="db-0") == ["10.1.0.2"]
    world.delete("db-0-first")
    assert world.add("other") == ["10.1.0.3"]
    assert world.add("db-0-second", name="db-0") == ["10.1.0.2"]
    assert_in_step(world)


def test_remembered_addresses_are_given_to_others_last(world: World) -> None:
    world.pools = [pool("10.0.0.0/29 10.0.0.2 10.0.0.4")]
    for who in ("x", "y"):
        world.add(who, name=who)
        world.time += 1
    world.delete("y")
    world.time += 1
    world.delete("x")
    assert world.add("z") == ["10.0.0.4"]
    assert world.add("plain") == ["10.0.0.3"], "the one that was left alone for longest"
    assert world.add("x again", name="x") == ["10.0.0.2"]
    with pytest.raises(CniError, match="no IP addresses available"):
        world.add("y again", name="y")


def test_a_name_whose_address_is_taken_gets_and_remembers_another(world: World) -> None:
    world.add("a", name="db-0")
    assert world.add("b", name="db-0") == ["10.1.0.3"]
    world.delete("a")
    world.delete("b")
    assert world.add("c", name="db-0") == ["10.1.0.3"]
    assert_in_step(world)


def test_a_memory_outlives_the_boot_and_the_index(world: World) -> None:
    world.add("a", name="db-0")
    world.boot_id = "second boot"
    (world.folder / ".podwire/net/index.sqlite").unlink()
    (world.path / "10.1.0.2").unlink()
    assert world.add("b") == ["10.1.0.3"]
    assert world.add("c", name="db-0") == ["10.1.0.2"]


def test_a_damaged_memory_is_moved_aside(world: World) -> None:
    world.add("a", name="db-0")
    memory = world.folder / ".podwire/net/sticky.sqlite"
    memory.write_bytes(b"this is no database, and long enough to be one" * 20)
    assert world.add("b", name="db-1") == ["10.1.0.3"]
    assert memory.with_name("sticky.sqlite.damaged").exists()


def checked(world: World, who: str, expected: str, pools: list[RangeSet]) -> None:
    addresses = [IPAddress(one) for one in expected.split()]
    world.run(lambda store: check(store, pools, Owner(who, "eth0"), addresses))


def test_check_wants_the_very_address(world: World) -> None:
    world.add("a")
    checked(world, "a", "10.1.0.2", world.pools)
    checked(world, "a", "10.1.0.2 192.0.2.1", world.pools)
    checked(world, "a", "10.1.0.2", [])


@pytest.mark.parametrize(
    ("who", "expected", "complaint"),
    [
        ("nobody", "10.1.0.2", "no address is reserved for nobody eth0"),
        ("a", "10.1.0.3", "10.1.0.3 of a eth0 is reserved for b eth0"),
        ("a", "10.1.0.2 10.1.0.4", "10.1.0.4 of a eth0 is reserved for nobody"),
        ("a", "192.0.2.1", "a eth0 holds 10.1.0.2, which its result does not name"),
    ],
)
def test_check_says_what_is_wrong(world: World, who: str, expected: str, complaint: str) -> None:
    world.add("a")
    world.add("b")
    with pytest.raises(CheckFailed, match=complaint):
        checked(world, who, expected, world.pools)


def test_check_sees_a_file_that_was_renamed_or_rewritten(world: World) -> None:
    world.add("a")
    world.add("b")
    (world.path / "10.1.0.2").rename(world.path / "10.1.0.9")
    (world.path / "10.1.0.3").write_text("c\r\neth0")
    for who, address in (("a", "10.1.0.2"), ("b", "10.1.0.3")):
        with pytest.raises(CheckFailed):
            checked(world, who, address, world.pools)


def test_gc_keeps_what_is_valid(world: World) -> None:
    for who in "abc":
        world.add(who)
    (world.path / "10.1.0.50").write_text("a")
    (world.path / "10.1.0.51").write_text("gone")
    given_back = world.run(lambda store: collect(store, frozenset({Owner("a", "eth0"), Owner("b", "net1")})))
    assert [str(one) for one in given_back] == ["10.1.0.3", "10.1.0.4", "10.1.0.51"]
    assert sorted(files(world.path)) == ["10.1.0.2", "10.1.0.50"]
    assert_in_step(world)


def test_usage_counts(world: World) -> None:
    world.pools, world.cooldown = [pool("10.1.0.0/28"), pool("2001:db8::/120")], 60
    world.add("a", name="a")
    world.add("b")
    world.add("c")
    world.delete("a")
    world.delete("b")
    (world.path / "10.1.0.1").write_text("on the gateway's address, which is not counted")
    first, second = world.run(lambda store: usage(store, world.pools))
    assert (first.size, first.taken, first.cooling, first.remembered, first.available) == (13, 1, 2, 1, 10)
    assert (second.size, second.taken, second.available) == (254, 1, 251)


def test_an_earlier_boots_reservations_are_given_up_when_their_namespace_is_gone(
    world: World, tmp_path: Path
) -> None:
    alive = tmp_path / "netns"
    alive.touch()
    world.add("alive", netns=str(alive))
    world.add("gone", netns=str(tmp_path / "no such"))
    world.add("process", netns="/proc/1/ns/net")
    world.add("elsewhere")
    (world.path / "10.1.0.40").write_text("seen\r\neth0")
    assert_in_step(world)
    world.boot_id = "second boot"
    (world.path / "10.1.0.41").write_text("never seen\r\neth0")
    assert world.add("new") == ["10.1.0.6"]
    assert sorted(files(world.path)) == ["10.1.0.2", "10.1.0.41", "10.1.0.6"]
    assert_in_step(world)


def test_a_pool_that_an_earlier_boot_filled_is_not_exhausted(world: World, tmp_path: Path) -> None:
    world.pools = [pool("10.0.0.0/29 10.0.0.2 10.0.0.2")]
    netns = tmp_path / "netns"
    netns.touch()
    world.add("a", netns=str(netns))
    world.boot_id = "second boot"
    with pytest.raises(CniError, match="no IP addresses available"):
        world.add("b")
    netns.unlink()
    assert world.add("b") == ["10.0.0.2"]
