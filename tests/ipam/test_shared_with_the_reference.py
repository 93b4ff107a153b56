"""One directory, two implementations: ours and the reference's host-local, at once and by turns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ipam_world import GO, World, assert_in_step, files, go, go_address, pool
from tests.rounds import rounds

pytestmark = pytest.mark.skipif(not GO.exists(), reason=f"the reference's plugin is not at {GO}")

SUBNET = "10.1.0.0/21"  # room for ten times as many rounds
FORKS = 4
EACH = rounds(25)  # ADDs of each fork
THEIRS = FORKS * EACH


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, pools=[pool(SUBNET)], deadline=60)


def test_pods_outlive_switching_over_and_back(world: World) -> None:
    assert go_address(go("ADD", world.folder, "go-1", SUBNET)) == "10.1.0.2"
    assert world.add("ours-1") == ["10.1.0.3"]
    assert go_address(go("ADD", world.folder, "go-2", SUBNET)) == "10.1.0.4"
    assert "duplicate" in str(go("ADD", world.folder, "ours-1", SUBNET)["msg"])
    assert world.delete("go-1") == ["10.1.0.2"]
    assert go("DEL", world.folder, "ours-1", SUBNET) == {}
    assert files(world.path) == {"10.1.0.4": "go-2\r\neth0"}
    assert world.add("ours-2") == ["10.1.0.5"]
    assert_in_step(world)


def test_both_write_the_same_bytes(world: World) -> None:
    other = World(world.folder / "other", pools=world.pools)
    world.add("a")
    go("ADD", other.folder, "a", SUBNET)
    assert _whole(world.path) == _whole(other.path)


def _whole(path: Path) -> dict[str, bytes]:
    """Read everything; the modes differ from one release of the reference to the next."""
    return {one.name: one.read_bytes() for one in path.iterdir()}


@pytest.mark.campaign
def test_a_storm_of_both_gives_no_address_twice_and_loses_none(world: World) -> None:
    """As many ADDs of each, then a DEL of every one by whoever did not add it."""
    workers = [_fork(world, f"ours-{n}", range(EACH)) for n in range(FORKS)]
    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(lambda i: go("ADD", world.folder, f"go-{i}", SUBNET), range(THEIRS)))
    for worker in workers:
        assert os.waitpid(worker, 0)[1] == 0
    given = {f"go-{i}": go_address(answer) for i, answer in enumerate(added)}
    given |= dict(_reports(world))
    assert len(given) == 2 * THEIRS == len(set(given.values()))
    assert files(world.path) == {address: f"{who}\r\neth0" for who, address in given.items()}
    assert_in_step(world)

    leavers = [_fork_deletes(world, [f"go-{i}" for i in range(n, THEIRS, FORKS)]) for n in range(FORKS)]
    with ThreadPoolExecutor(4) as threads:
        ours = [f"ours-{n}-{i}" for n in range(FORKS) for i in range(EACH)]
        assert all(answer == {} for answer in threads.map(lambda w: go("DEL", world.folder, w, SUBNET), ours))
    for leaver in leavers:
        assert os.waitpid(leaver, 0)[1] == 0
    assert files(world.path) == {}
    assert_in_step(world)


def _fork(world: World, name: str, numbers: range) -> int:
    """ADD in a child, which leaves a report; return its pid."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        lines = [f"{name}-{i} {world.add(f'{name}-{i}')[0]}" for i in numbers]
        (world.folder / f"{name}.report").write_text("\n".join(lines))
        status = 0
    finally:
        os._exit(status)


def _fork_deletes(world: World, whom: list[str]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        status = 0 if all(len(world.delete(who)) == 1 for who in whom) else 2
    finally:
        os._exit(status)


def _reports(world: World) -> Iterator[tuple[str, str]]:
    for report in world.folder.glob("*.report"):
        for line in report.read_text().splitlines():
            who, address = line.split()
            yield who, address
