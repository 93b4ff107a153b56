"""The demonstration, and the worlds it and these tests are played in."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from podwire.demo.cgroups import PREFIX, hierarchies
from podwire.demo.dumps import difference, take_dump
from podwire.demo.world import World, WorldError
from tests.calls import run

pytestmark = pytest.mark.clients

LAST_WORDS = "Its links, addresses, routes, nft rules, mounts and state files are as before the show.\n"
HOLD_A_WORLD = """
import sys
from podwire.demo.world import World
with World() as world:
    print(world.holder, flush=True)
    sys.stdin.read()
"""


def homes_of(maker: int) -> list[Path]:
    """List the cgroups that the worlds of a process have."""
    return [home for one in hierarchies() for home in one.mount_point.glob(f"{PREFIX}{maker}-*")]


@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["containerd", "plain"])
def test_the_show_of_containers_holds_what_it_claims(options: list[str]) -> None:
    """The other show, of nodes, is what tests/lab and `./dev demo` itself are about."""
    argv = [sys.executable, "-m", "podwire.demo", "--only", "containers", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(LAST_WORDS)
    assert "\033[" not in done.stdout  # no colour where nobody looks
    assert done.stdout.count('says: "hello from behind a host port"') == 2


def test_an_unknown_option_is_refused() -> None:
    argv = [sys.executable, "-m", "podwire.demo", "--loud"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--loud" in done.stderr


def test_a_world_leaves_the_machine_as_it_was() -> None:
    before = take_dump(run)
    with World() as world:
        world.add_neighbour("outside", "192.0.2")
        world.path("/etc/podwire-was-here").write_text("")
        world.path("/var/lib/cni/podwire-was-here").write_text("")
        world.run(["nft", "add", "table", "inet", "here"])
        sleeper = world.start(["sleep", "1000"])
        assert homes_of(os.getpid()) != []
    assert sleeper.wait(10) != 0
    assert difference(before, take_dump(run)) == []
    assert not Path("/etc/podwire-was-here").exists()
    assert homes_of(os.getpid()) == []


def test_a_failing_command_is_quoted_with_what_it_wrote() -> None:
    with World() as world, pytest.raises(WorldError, match=r"`ip link del nosuch` ended with 1: Cannot find"):
        world.run(["ip", "link", "del", "nosuch"])


def test_a_world_ends_with_a_maker_that_is_killed_and_the_next_sweeps_up() -> None:
    argv = [sys.executable, "-c", HOLD_A_WORLD]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        last_process = os.pidfd_open(int(maker.stdout.readline()))
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    with selectors.DefaultSelector() as selector:
        selector.register(last_process, selectors.EVENT_READ)  # readable when it has ended, pidfd_open(2)
        assert selector.select(10), "the world outlived its maker by ten seconds"
    os.close(last_process)
    with World():
        assert homes_of(maker.pid) == []
