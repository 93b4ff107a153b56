"""A random walk: pods come and go, supervisors and the node end, the registry is away; then all is well."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from pod_runner.cluster.kinds import POD
from pod_runner.cluster.store import AlreadyExists, ClusterStore, NotFound
from pod_runner.node.orders import read_folder
from pod_runner.supervisor import lock
from tests.pod_runner.node.conftest import World, wait_for
from tests.pod_runner.node.pods import pod
from tests.pod_runner.node.test_reports import Fickle

NAMES = [f"p{number}" for number in range(6)]


class Walk:
    """One walk; its steps are its methods."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.world = World(folder, Fickle)
        self.person = ClusterStore(DirectoryStore(folder / "store"))  # it is away for the node alone
        self.away = folder / "away"
        self.chance = random.Random(seed)

    def create(self) -> None:
        body = pod(self.chance.choice(NAMES))
        body["metadata"]["labels"] = {"dies": "1"} if self.chance.random() < 0.1 else {}
        self._as_a_person(lambda: self.person.create(body))

    def delete(self) -> None:
        grace = self.chance.choice([None, 0, 1])
        name = self.chance.choice(NAMES)
        self._as_a_person(lambda: self.person.delete(POD, "default", name, grace=grace))

    def kill_supervisor(self) -> None:
        living = [one for one in self.world.pretenders.processes if one.poll() is None]
        if living:
            self.chance.choice(living).kill()

    def restart_node(self) -> None:
        self.world.stop()
        self.world.start()

    def lose_registry(self) -> None:
        self.away.touch()

    def find_registry(self) -> None:
        self.away.unlink(missing_ok=True)

    def step(self) -> None:
        steps = [self.create, self.create, self.delete, self.kill_supervisor, self.restart_node]
        self.chance.choice([*steps, self.lose_registry, self.find_registry, self.find_registry])()

    def is_well(self) -> bool:
        """Tell whether there is a supervised folder for each object, and nothing else, and all say so."""
        wanted = {one.uid: one for one in self.person.list(POD)}
        places = {path.name: path for path in self.world.place("").iterdir()}
        if any(one.is_terminating for one in wanted.values()) or set(wanted) != set(places):
            return False
        well = [
            uid
            for uid, one in wanted.items()
            if one.labels.get("dies") or (one.status.get("phase") == "Running" and lock.is_held(places[uid]))
        ]
        return len(well) == len(wanted) and all(read_folder(one) for one in places.values())

    def _as_a_person(self, act: Callable[[], object]) -> None:
        with suppress(AlreadyExists, NotFound):  # a person who does not look first
            act()


def walk(folder: Path, seed: int, steps: int) -> None:
    one = Walk(folder, seed)
    one.world.start()
    try:
        for _ in range(steps):
            one.step()
        one.find_registry()
        wait_for(one.is_well, f"seed {seed}: it is not as it is wanted")
        for name in NAMES:
            with suppress(NotFound):
                one.person.delete(POD, "default", name)
        wait_for(
            lambda: not one.person.list(POD) and not list(one.world.place("").iterdir()),
            f"seed {seed}: something is left",
        )
        wait_for(
            lambda: all(process.poll() is not None for process in one.world.pretenders.processes), "left"
        )
    finally:
        one.find_registry()
        one.world.stop()
        one.world.pretenders.kill_all()


def test_after_a_short_walk_all_is_as_it_is_wanted(tmp_path: Path) -> None:
    walk(tmp_path, random.randrange(1 << 30), 40)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(8))
def test_after_a_long_walk_all_is_as_it_is_wanted(tmp_path: Path, seed: int) -> None:
    walk(tmp_path, seed, 200)
