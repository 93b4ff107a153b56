"""Several copies of the controllers at once, as processes that are killed: never a pod too many."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pod_runner.cluster.bodies import with_member
from pod_runner.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET
from pod_runner.controllers.views import PodView
from tests.pod_runner.controllers.conftest import World
from tests.pod_runner.controllers.made import deployment

COPY = """
import sys
from pod_runner.controllers.controllers import Controllers
from pod_runner.controllers.settings import ControllerSettings
one = Controllers(sys.argv[1], ControllerSettings("copy", heartbeat=1.0, eviction=0.3, leader=1))
one.start()
sys.stdin.read()
"""


class Copies:
    """Copies that are killed at any instant, and begun again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._all.append(subprocess.Popen([sys.executable, "-c", COPY, self._url], stdin=subprocess.PIPE))

    def kill(self, index: int) -> None:
        one = self._all.pop(index)
        one.kill()
        one.communicate()

    def pause(self, index: int, seconds: float) -> None:
        """Stop one for longer than its lease, then let it go on as if nothing had happened."""
        os.kill(self._all[index].pid, signal.SIGSTOP)
        time.sleep(seconds)  # the lease's own time passes
        os.kill(self._all[index].pid, signal.SIGCONT)

    def __len__(self) -> int:
        return len(self._all)


@contextmanager
def running(url: str, count: int) -> Iterator[Copies]:
    copies = Copies(url)
    for _ in range(count):
        copies.start()
    yield copies
    while len(copies):
        copies.kill(0)


def too_many(world: World, most: int) -> list[str]:
    """Return the pods if there are more than there may be."""
    pods = world.pods()
    return world.shown() if len(pods) > most else []


@pytest.mark.campaign
def test_copies_that_are_killed_and_stopped_never_make_a_pod_too_many(world: World) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    for name in ("n0", "n1"):
        world.add_node(name)
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}
    with running(world.url, 3) as copies:
        world.cluster.create(deployment(replicas=30, strategy=strategy))
        for turn in range(3):
            end = time.monotonic() + dice.uniform(0.05, 0.4)
            while time.monotonic() < end:
                assert not too_many(world, 30)
            index = dice.randrange(len(copies))
            if turn == 1:
                copies.pause(index, 1.3)
            else:
                copies.kill(index)
                copies.start()
            revision = {"name": "rev", "value": str(turn)}
            world.edit(
                DEPLOYMENT,
                "web",
                lambda body, said=revision: with_member(  # type: ignore[misc]  # a default binds it now
                    body, [{"name": "c", "env": [said]}], "spec", "template", "spec", "containers"
                ),
            )
        world.wait_ready(30, "2")
        assert not too_many(world, 30)
    owners = {one.uid for one in world.cluster.list(REPLICA_SET)}
    assert all(PodView(one).owner in owners for one in world.cluster.list(POD))
