"""SIGKILL at any instant loses no address and gives none away twice.

PODWIRE_TEST_ROUNDS=5 tries every line; CI tries every fifth.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ipam.directory import parse_owner
from tests.ipam_world import World, assert_in_step, files, pool
from tests.rounds import rounds, stride

STRIDE = stride(5)  # lines from one death to the next
ROOM = str(Path(sys.modules["ipam.directory"].__file__ or "").parent)


def killed_at_line(number: int, act: Callable[[], object]) -> bool:
    """Run `act` in a child and kill it before the n-th line of this room; return whether it came so far."""
    child = os.fork()
    if child == 0:
        _die_at_line(number)
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _die_at_line(number: int) -> None:
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def assert_sound(world: World) -> None:
    """See that every file has a whole owner, no other file is there, and the index says the same."""
    world.run(lambda store: None)
    for name, content in files(world.path).items():
        owner = parse_owner(content.encode())
        assert owner.container_id and owner.ifname, name
    assert_in_step(world)


def kill_everywhere(world: World, act: Callable[[], object]) -> int:
    number = 0
    while killed_at_line(number, act):
        assert_sound(world)
        world.delete("victim")
        assert "victim\r\neth0" not in files(world.path).values()
        number += STRIDE
    return number


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, pools=[pool("10.1.0.0/24"), pool("2001:db8::/64")], cooldown=0.0)
    made.add("bystander")
    return made


def test_an_add_killed_at_any_line_leaves_a_whole_reservation_or_none(world: World) -> None:
    before = files(world.path)
    assert kill_everywhere(world, lambda: world.add("victim", name="victim")) > 300
    world.delete("victim")
    assert files(world.path) == before


def test_a_first_add_killed_at_any_line_leaves_a_directory_that_works(tmp_path: Path) -> None:
    for number in range(0, 1000, STRIDE):
        world = World(tmp_path / str(number))
        if not killed_at_line(number, partial(world.add, "victim")):
            break
        assert_sound(world)
        world.delete("victim")
        assert world.add("next")
    assert number > 100


def test_a_del_killed_at_any_line_is_finished_by_the_next(world: World) -> None:
    number = 0
    while True:
        world.add("victim", name="victim")
        if not killed_at_line(number, lambda: world.delete("victim")):
            break
        assert_sound(world)
        world.delete("victim")
        assert sorted(files(world.path)) == ["10.1.0.2", "2001:db8::2"]
        number += STRIDE
    assert number > 80


def test_a_comparison_killed_at_any_line_is_made_again(world: World) -> None:
    for i in range(9):
        world.add(f"c{i}")
    number = 0
    while True:
        (world.path / "10.1.0.200").write_text(f"foreign{number}\r\neth0")
        (world.path / "10.1.0.201").write_bytes(b"")
        if not killed_at_line(number, lambda: world.delete("nobody")):
            break
        assert_sound(world)
        number += STRIDE
    assert number > 80


@pytest.mark.campaign
def test_random_kills_while_a_child_works(world: World) -> None:
    chance = random.Random(7)
    for i in range(rounds(40)):
        child = os.fork()
        if child == 0:
            _work_forever(world, i)
        time.sleep(chance.uniform(0.001, 0.02))  # the instant of death is the point, nothing is waited for
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert_sound(world)
        for owner in set(files(world.path).values()):
            if owner.startswith("w"):
                world.delete(owner.split("\r\n")[0])
        assert sorted(files(world.path)) == ["10.1.0.2", "2001:db8::2"]


def _work_forever(world: World, generation: int) -> None:
    number = 0
    while True:
        world.add(f"w{generation}-{number}")
        if number % 2:
            world.delete(f"w{generation}-{number - 1}")
        number += 1
