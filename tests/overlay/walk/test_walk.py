"""A random walk: whatever happens, every kernel becomes what the registry says, and all pods talk."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from tests.overlay.cluster import Cluster, wait_until
from tests.overlay.flows import silent_pairs
from tests.overlay.oracle import mistakes
from tests.overlay.walk.conftest import Make
from tests.overlay.walk.steps import STEPS

pytestmark = pytest.mark.campaign
LENGTH = int(os.environ.get("PODWIRE_WALK", "25"))  # steps
SEED = os.environ.get("PODWIRE_WALK_SEED", "")


@pytest.mark.parametrize("kind", ["directory", "etcd"])
def test_after_every_step_kernels_are_right_and_all_pairs_talk(make_cluster: Make, kind: str) -> None:
    seed = int(SEED or time.time_ns() % 1_000_000)
    print(f"PODWIRE_WALK_SEED={seed}")
    random = Random(seed)
    cluster = make_cluster(kind)
    cluster.start(*(cluster.add(number) for number in (1, 2, 3)))
    settle(cluster, "the start")
    steps = [*random.sample(STEPS, len(STEPS)), *random.choices(STEPS, k=LENGTH)][:LENGTH]
    for number, step in enumerate(steps, 1):
        began = time.monotonic()
        said = step(cluster, random)
        settle(cluster, f"step {number}: {said}")
        print(f"step {number}: {time.monotonic() - began:5.2f} s  {said}", flush=True)


def settle(cluster: Cluster, said: str) -> None:
    """Wait until all is as it should be."""
    pods = [one.pod for one in cluster.nodes.values() if one.pod]

    def wrong() -> str:
        return mistakes(cluster) or complaints(cluster) or ", ".join(silent_pairs(pods))

    wait_until(lambda: not wrong(), lambda: f"{said}\n{wrong()}\n{logs(cluster)}")


def complaints(cluster: Cluster) -> str:
    """Return what nodes complain of, or who is not there."""
    return "; ".join(
        f"{one.name}: {one.said}"
        for one in cluster.nodes.values()
        if one.conditions() or not one.said["leased"] or one.process is None or one.process.poll() is not None
    )


def logs(cluster: Cluster) -> str:
    """Return the ends of the nodes' logs."""
    return "\n".join(f"--- {one.name}\n{one.log()[-1500:]}" for one in cluster.nodes.values())
