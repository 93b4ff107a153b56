"""Whatever happens to a cluster, in whatever order: the wanted state comes back, and nothing is left.

`PODWIRE_TEST_ROUNDS=50 ./dev test tests/campaigns/test_chaos.py` makes 300 steps with each registry; CI makes
fewer. `PODWIRE_TEST_SEED=N` makes those of an earlier run again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from random import Random

import pytest

from linuxnet.netns import inside, open_netns
from podwire.demo.dumps import difference, take_dump
from podwire.lab.blueprint import RegistryKind
from podwire.lab.building import take_down
from tests.calls import run
from tests.campaigns.chaos import Chaos
from tests.campaigns.chaos_dumps import remains
from tests.campaigns.chaos_looking import Watcher
from tests.rounds import rounds

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root"),
    pytest.mark.campaign,
]

STEPS = rounds(6)
BETWEEN = 6  # steps, at most, before all must be well again
SEED = int(os.environ.get("PODWIRE_TEST_SEED", "0")) or Random().randrange(1 << 32)
TOLD = 3 * BETWEEN  # of the last steps, where it goes wrong


@pytest.fixture(params=list(RegistryKind))
def chaos(request: pytest.FixtureRequest) -> Iterator[Chaos]:
    kind: RegistryKind = request.param
    if kind is RegistryKind.ETCD and shutil.which("etcd") is None:
        pytest.skip("etcd is not here: install etcd-server")
    name = f"chaos-{kind.value}"
    take_down(name)  # of a test that was killed
    before = take_dump(run)
    try:
        made = Chaos(name, kind, Random(SEED))
        netns = open_netns(f"/proc/{made.lab}/ns/net")
        with inside(netns) if kind is RegistryKind.ETCD else nullcontext():  # where etcd answers
            yield made
        os.close(netns)
    finally:
        take_down(name)
    assert difference(before, take_dump(run)) == []
    assert remains(made.blueprint) == []


def test_the_wanted_state_comes_back_whatever_happens(chaos: Chaos) -> None:
    random, began = Random(SEED), time.monotonic()
    watcher = Watcher(chaos)
    steps = chaos.steps
    kinds: Counter[str] = Counter()
    done: list[str] = []

    def do(what: str) -> None:
        done.append(f"{time.monotonic() - began:6.1f} s: {what}")

    chaos.begin()
    try:
        watcher.await_wanted()
        while kinds.total() < STEPS:
            for _ in range(random.randint(1, BETWEEN)):
                step = random.choice(steps)
                do(step())
                kinds[step.__name__] += 1
            chaos.mend()
            do("all was mended")
            watcher.await_wanted()
            do("all is as it was wanted")
        chaos.end()
        do("all was deleted")
        watcher.await_nothing()
    except BaseException as error:
        error.add_note("\n".join([f"PODWIRE_TEST_SEED={SEED}", *done[-TOLD:], *watcher.told()]))
        raise
    print(f"{kinds.total()} steps in {time.monotonic() - began:.0f} s: {dict(kinds)}")
    print("\n".join(done))
