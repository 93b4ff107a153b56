"""A machine of its own for labs: private network, mounts and process ids, so that a dump shows everything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from podwire.demo.dumps import Dump, take_dump
from podwire.demo.plugin_folder import PODWIRE
from podwire.demo.world import World

DEADLINE = 120.0  # seconds; for one command, on a machine busy with other tests
# All but the machine's first, which may be in the midst of execve(2), and the one that looks.
PROCESSES = "for p in /proc/[0-9]*; do case $p in /proc/1 | /proc/$$) ;; *) cat $p/comm || : ;; esac; done"
FILES = "find /run/podwire /run/netns"


class Machine:
    """A world in which `podwire lab` is run."""

    def __init__(self, world: World) -> None:
        self.world = world

    def lab(self, *words: str) -> str:
        """Run a command of `podwire lab` and return what it printed; it must succeed."""
        return self.world.run([*PODWIRE, "lab", *words], timeout=DEADLINE)

    def attempt(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of `podwire lab`, whatever comes of it."""
        return self.world.attempt([*PODWIRE, "lab", *words], timeout=DEADLINE)

    def status(self, *words: str) -> Any:
        """Return what `podwire lab status` says, whole or not."""
        return json.loads(self.attempt("status", "--output", "json", *words).stdout)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of `podwire lab`."""
        return self.world.start([*PODWIRE, "lab", *words])

    def dump(self) -> Dump:
        """Look at everything a lab could leave: links, rules, mounts, files, processes."""
        lines = [
            *(f"process: {line}" for line in self.world.run(["sh", "-c", PROCESSES]).splitlines()),
            *(f"file: {line}" for line in self.world.run(["sh", "-c", FILES]).splitlines()),
        ]
        numbered = [f"{line} #{lines[:place].count(line)}" for place, line in enumerate(lines)]
        return take_dump(self.world.run) | frozenset(numbered)


@contextmanager
def _machine() -> Iterator[Machine]:
    with World() as world:
        world.run(["mkdir", "-p", "/run/podwire"])
        yield Machine(world)


@pytest.fixture
def machine() -> Iterator[Machine]:
    with _machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def standing() -> Iterator[Machine]:
    """A machine with a lab of two nodes and a pod on each, for test after test: each leaves it so."""
    with _machine() as machine:
        machine.lab("up", "--nodes", "2")
        yield machine


def pairs(status: Any) -> set[tuple[str, str]]:
    """Return the pairs of pods of which the first reaches the second."""
    return {(one, other) for one, seen in status["reached"].items() for other, said in seen.items() if said}
