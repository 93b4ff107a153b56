"""A lab whose maker is killed at any instant is taken away by `lab down`, and so is one that is lived in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from podwire.demo.dumps import difference
from podwire.demo.plugin_folder import PODWIRE
from tests.lab.conftest import DEADLINE, Machine
from tests.rounds import rounds

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root"),
    pytest.mark.campaign,
]

KILLS = rounds(2)  # of each verb


def _kill_after(machine: Machine, seconds: float, *words: str) -> None:
    """Start a command, and kill it with SIGKILL when so much time has passed, if it has not ended."""
    running = machine.start(*words)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        children = Path(
            f"/proc/{running.pid}/task/{running.pid}/children"
        )  # of the nsenter that waits for it
        for child in children.read_text().split():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(int(child), signal.SIGKILL)
        running.wait(DEADLINE)


@pytest.mark.parametrize("verb", ["up", "add-node", "down"])
def test_whatever_is_killed_down_leaves_nothing(machine: Machine, verb: str) -> None:
    before = machine.dump()
    took = {}
    for one in dict.fromkeys(("up", verb, "down")):
        began = time.monotonic()
        machine.lab(one)
        took[one] = time.monotonic() - began
    random = Random(verb)
    for _ in range(KILLS):
        if verb != "up":
            machine.lab("up", "--nodes", "2")
        moment = random.uniform(0.1, took[verb])
        _kill_after(machine, moment, verb)
        machine.lab("down")
        assert difference(before, machine.dump()) == [], f"{verb} killed after {moment:.3f} s"


def test_who_lives_in_a_namespace_of_the_lab_goes_with_it(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--nodes", "1")
    live = ["sh", "-c", "echo in; exec sleep 1000"]
    ways = (["ip", "netns", "exec", "pwlab-lab-node1"], [*PODWIRE, "lab", "exec", "node1/pod1", "--"])
    guests = [machine.world.start([*way, *live], stdout=subprocess.PIPE) for way in ways]
    for guest in guests:
        assert guest.stdout is not None and guest.stdout.readline() == b"in\n"
    machine.lab("down")
    for guest in guests:
        assert guest.wait(DEADLINE) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert difference(before, machine.dump()) == []


def test_a_lab_whose_folder_was_removed_is_found_by_what_runs(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--nodes", "1")
    machine.world.run(["rm", "-r", "/run/podwire/lab"])
    machine.lab("down")
    assert difference(before, machine.dump()) == []


def test_a_lab_whose_makers_mount_namespace_is_gone_is_found(machine: Machine) -> None:
    before = machine.dump()
    machine.world.run(["unshare", "--mount", *PODWIRE, "lab", "up", "--nodes", "1"])
    machine.lab("down")
    assert difference(before, machine.dump()) == []


def test_a_lab_of_another_mount_namespace_is_another_lab(machine: Machine) -> None:
    script = 'mount -t tmpfs tmpfs /run && "$@" && exec sleep 1000'
    hold = ["unshare", "--mount", "sh", "-c", script, "sh"]
    other = machine.world.start([*hold, *PODWIRE, "lab", "up", "--nodes", "1"], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline()
    assert b"there is nothing" in machine.attempt("down").stderr
    other.kill()
    other.wait(DEADLINE)


def test_a_lab_whose_first_process_was_killed_is_said_to_be_remains(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--nodes", "2")
    find = (
        "for p in /proc/[0-9]*; do grep -qsz '^PODWIRE_LAB=lab/@' $p/environ && echo ${p#/proc/}; done; true"
    )
    (first,) = machine.world.run(["sh", "-c", find]).split()
    machine.world.run(["kill", "-9", first])
    done = machine.attempt("status")
    assert done.returncode == 1 and b"only remains" in done.stderr
    assert machine.attempt("up").returncode == 1
    machine.lab("down")
    assert difference(before, machine.dump()) == []
