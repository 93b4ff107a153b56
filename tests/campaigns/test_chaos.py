"""Whatever happens to a cluster, in whatever order: the wanted state comes back, and nothing is left.

`PODWIRE_TEST_ROUNDS=5 ./dev test tests/campaigns/test_chaos.py` makes 300 steps; CI makes fewer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from pod_runner.cluster.kinds import DEPLOYMENT
from podwire.demo.dumps import difference, take_dump
from podwire.lab.building import take_down
from tests.calls import run
from tests.campaigns.chaos import APPS, NAME, Chaos, deployment
from tests.rounds import rounds

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root"),
    pytest.mark.campaign,
]

STEPS = rounds(60)
BETWEEN = 6  # steps, at most, before all must be well again
SEED = int(os.environ.get("PODWIRE_TEST_SEED", "0")) or Random().randrange(1 << 32)


@pytest.fixture
def chaos() -> Iterator[Chaos]:
    take_down(NAME)  # of a test that was killed
    before = take_dump(run)
    try:
        yield Chaos(Random(SEED))
    finally:
        take_down(NAME)
    assert difference(before, take_dump(run)) == []


def test_the_wanted_state_comes_back_whatever_happens(chaos: Chaos) -> None:
    random = Random(SEED)
    steps = [
        chaos.kill_agent, chaos.kill_supervisor, chaos.kill_pause, chaos.kill_container, chaos.kill_spawner,
        chaos.kill_node, chaos.lose_registry, chaos.cut_link, chaos.fill_disk, chaos.delete_pod, chaos.scale,
        chaos.roll,
    ]  # fmt: skip
    done: list[str] = [f"PODWIRE_TEST_SEED={SEED}"]
    for app in APPS:
        chaos.cluster.create(deployment(app, 3))
    chaos.await_wanted()
    made = 0
    try:
        while made < STEPS:
            for _ in range(random.randint(1, BETWEEN)):
                done.append(random.choice(steps)())
                made += 1
            done.append(chaos.mend())
            chaos.await_wanted()
        for app in APPS:
            chaos.cluster.delete(DEPLOYMENT, "default", app)
        done.append("all was deleted")
        chaos.await_wanted()
        assert chaos.leftovers() == []
    except BaseException as error:
        error.add_note("\n".join(done[-3 * BETWEEN :]))
        error.add_note(done[0])
        raise
