"""The index: in step, cheap, and never to be relied on."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from netaddr import IPAddress

from ipam.allocator import Wish, allocate, check, release
from ipam.directory import Identity, Owner
from ipam.index import Index, Reservation
from ipam.keys import key_of, shift
from ipam.pools import join_spans
from ipam.store import Store
from tests.ipam_world import World, assert_in_step, files, pool


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_runs_are_joined_and_split_as_addresses_come_and_go() -> None:
    chance, index, base = random.Random(1), Index(None), key_of(IPAddress("10.0.0.0"))
    blocked: dict[str, set[int]] = {"reservations": set(), "cooling": set(), "idle": set()}
    for _ in range(3000):
        table, number = chance.choice(list(blocked)), chance.randrange(40)
        key = shift(base, number)
        if number in blocked[table]:
            index.drop(table, key)  # type: ignore[arg-type]
            blocked[table].discard(number)
        elif table == "reservations":
            index.put(Reservation(key, Owner("a", "b"), "", "", 0.0, Identity(1, 1)))
            blocked = {name: numbers - {number} for name, numbers in blocked.items()}
            blocked[table].add(number)
        elif number not in blocked["reservations"]:
            index.mark(table, key, 0.0)  # type: ignore[arg-type]
            blocked[table].add(number)
        all_blocked = set().union(*blocked.values())
        assert index.runs() == list(join_spans((shift(base, n), shift(base, n)) for n in all_blocked))
        free = next(n for n in range(number, 99) if n not in all_blocked)
        assert index.next_free(key) == shift(base, free)


def test_a_change_by_somebody_else_is_noticed(world: World) -> None:
    for who in "abc":
        world.add(who)
    (world.path / "10.1.0.3").unlink()
    (world.path / "10.1.0.5").write_text("foreign\r\neth0")
    (world.path / "10.1.0.2").unlink()
    (world.path / "10.1.0.2").write_text("another\r\neth0")
    assert_in_step(world)
    assert world.delete("a") == [] == world.delete("b")
    assert world.delete("another") == ["10.1.0.2"]
    assert world.add("new") == ["10.1.0.6"]


@pytest.mark.parametrize("damage", ["gone", "empty", "no database", "torn", "another format", "a lie"])
def test_a_lost_or_damaged_index_costs_nothing_but_time(world: World, damage: str) -> None:
    world.pools = [pool("10.1.0.0/22")]
    for i in range(300):
        world.add(f"c{i}")
    before = files(world.path)
    spoil(world.folder / ".podwire/net/index.sqlite", damage)
    (world.path / "last_reserved_ip.0").unlink()
    assert world.add("new") == ["10.1.1.46"]
    assert world.delete("c7") == ["10.1.0.9"]
    del before["10.1.0.9"]
    assert files(world.path) == before | {"10.1.1.46": "new\r\neth0"}
    assert_in_step(world)


def spoil(path: Path, damage: str) -> None:
    content = path.read_bytes()
    assert len(content) > 20_000
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no database":
        path.write_bytes(b"x" * 5000)
    elif damage == "torn":
        path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    elif damage == "another format":
        _change(path, "PRAGMA user_version = 99")
    else:
        _change(path, "DELETE FROM runs")


def _change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def test_an_index_that_takes_free_addresses_for_taken_does_not_exhaust_the_pool(world: World) -> None:
    world.pools = [pool("10.1.0.0/29")]
    world.add("a")
    world.delete("a")
    _change(world.folder / ".podwire/net/index.sqlite",
            "INSERT OR REPLACE INTO runs VALUES (x'040a010000', x'040a0100ff')")  # fmt: skip
    assert world.add("b") == ["10.1.0.3"]
    assert_in_step(world)


def test_an_index_of_an_earlier_boot_is_checked_against_every_file(world: World) -> None:
    for who in "ab":
        world.add(who, netns="/")
    stamp = world.path.stat().st_mtime_ns
    (world.path / "10.1.0.2").write_text("z\r\neth0")
    assert world.path.stat().st_mtime_ns == stamp, "only the content was changed"
    world.boot_id = "second boot"
    assert_in_step(world)


def test_an_operation_reads_as_many_files_at_a_thousand_addresses_as_at_one(world: World) -> None:
    world.pools = [pool("10.1.0.0/16")]
    small = _costs(world)
    for i in range(1000):
        world.add(f"c{i}")
    assert _costs(world) == small
    assert max(small) <= 4


def _costs(world: World) -> tuple[int, int, int]:
    """Return how many names and files ADD, CHECK and DEL read."""
    owner = Owner("probe", "eth0")
    world.run(lambda store: None)

    def add(store: Store) -> int:
        allocate(store, world.pools, Wish(owner))
        return store.directory.entries_read

    def look(store: Store) -> int:
        held = [IPAddress(name) for name, text in files(world.path).items() if text == owner.text]
        check(store, world.pools, owner, held)
        return store.directory.entries_read

    def delete(store: Store) -> int:
        release(store, owner)
        return store.directory.entries_read

    return world.run(add), world.run(look), world.run(delete)


def test_own_changes_are_not_taken_for_foreign_ones(world: World) -> None:
    for i in range(50):
        world.add(f"c{i}")
    assert world.run(lambda store: store.directory.entries_read) == 0


def test_networks_do_not_share_an_index(world: World) -> None:
    world.add("a")
    other = World(world.folder / ".podwire" / "..")
    assert other.delete("b") == []
    assert (world.folder / ".podwire" / "net").is_dir()
    assert files(world.path) == {"10.1.0.2": "a\r\neth0"}
