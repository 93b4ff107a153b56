"""A random walk: whatever happens, every kernel becomes what the registry says, and all pods talk."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from tests.overlay.walk.conftest import Make
from tests.overlay.walk.steps import STEPS
from tests.overlay.walk.waiting import settle

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
