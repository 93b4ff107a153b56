"""A random walk: whatever happens, every kernel becomes what the registry says, and all pods talk."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from tests.overlay.walk.conftest import Make
from tests.overlay.walk.steps import STEPS, Step
from tests.overlay.walk.waiting import settle
from tests.rounds import rounds

pytestmark = pytest.mark.campaign
LENGTH = int(os.environ.get("PODWIRE_WALK", rounds(10)))  # steps
KINDS = ("directory", "etcd")
SEED = os.environ.get("PODWIRE_WALK_SEED", "")


@pytest.mark.parametrize("kind", KINDS)
def test_after_every_step_kernels_are_right_and_all_pairs_talk(make_cluster: Make, kind: str) -> None:
    seed = int(SEED or time.time_ns() % 1_000_000)
    print(f"PODWIRE_WALK_SEED={seed}")
    random = Random(seed)
    cluster = make_cluster(kind)
    cluster.start(*(cluster.add(number) for number in (1, 2, 3)))
    settle(cluster, "the start")
    for number, step in enumerate(_steps(kind, random), 1):
        began = time.monotonic()
        said = step(cluster, random)
        settle(cluster, f"step {number}: {said}")
        print(f"step {number}: {time.monotonic() - began:5.2f} s  {said}", flush=True)


def _steps(kind: str, random: Random) -> list[Step]:
    """Draw the walk's steps: first its share of all there are, which the walks divide, then any."""
    share = STEPS[KINDS.index(kind) :: len(KINDS)]
    return [*random.sample(share, len(share)), *random.choices(STEPS, k=LENGTH)][:LENGTH]
