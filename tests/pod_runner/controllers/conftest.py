"""A cluster on a real store: copies of the controllers, pretend nodes, and a look at all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from cluster_store.store import Store
from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.kinds import DEPLOYMENT, EVENT, POD, ResourceKind
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from pod_runner.controllers.controllers import Controllers
from pod_runner.controllers.settings import ControllerSettings
from pod_runner.controllers.views import PodView
from tests.pod_runner.controllers.pretend import PretendNode
from tests.pod_runner.registries import OpenStore

WITHIN = 60.0  # seconds, on a busy machine
QUICK = ControllerSettings("test", heartbeat=1.0, eviction=0.3, leader=1)


class World:
    """What a test sees and does."""

    def __init__(self, url: str, open_one: OpenStore) -> None:
        self.url, self._open = url, open_one
        self.cluster = ClusterStore(open_one())
        self.nodes: dict[str, PretendNode] = {}
        self.copies: list[Controllers] = []
        self._follower = ClusterStore(open_one()).follow((POD, DEPLOYMENT))

    @property
    def store(self) -> Store:
        """Return the test's own store."""
        return self.cluster.store

    def add_node(self, name: str, *, can_start: bool = True, **said: str) -> PretendNode:
        """Start a node."""
        self.nodes[name] = PretendNode(name, self._open(), can_start=can_start, **said).start()
        return self.nodes[name]

    def add_copy(self) -> Controllers:
        """Start a copy of the controllers."""
        self.copies.append(Controllers(self.url, QUICK))
        self.copies[-1].start()
        return self.copies[-1]

    def get(self, kind: ResourceKind, name: str) -> Object:
        """Return an object that must be there."""
        found = self.cluster.get(kind, "default", name)
        assert found is not None, (kind.kind, name)
        return found

    def pods(self) -> list[PodView]:
        """Return the pods that count."""
        return [pod for one in self.cluster.list(POD) if (pod := PodView(one)).is_active]

    def edit(self, kind: ResourceKind, name: str, edit: Callable[[JsonObject], JsonObject]) -> None:
        """Change an object."""
        self.cluster.change(kind, "default", name, edit)

    def reasons(self) -> set[str]:
        """Return what Events say has happened."""
        return {str(one.body["reason"]) for one in self.cluster.list(EVENT)}

    def wait(self, is_so: Callable[[], bool], seconds: float = WITHIN) -> None:
        """Wait for something to become so; it is looked at whenever a pod or a deployment changes."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, (self.shown(), [copy.status() for copy in self.copies])
            self._follower.next(0.1)

    def wait_ready(self, count: int, revision: str = "") -> None:
        """Wait until exactly so many pods are there, and serve; of one template, if that is named."""

        def is_so() -> bool:
            pods = self.pods()
            is_new = all(_revision(pod) == revision for pod in pods) if revision else True
            return len(pods) == count and is_new and all(pod.is_ready for pod in pods)

        self.wait(is_so)

    def shown(self) -> list[str]:
        """Return the pods, for a person."""
        return [f"{pod.ref.name} {pod.node} {pod.phase} {pod.is_ready}" for pod in self.pods()]

    def end(self) -> None:
        """Stop all."""
        for copy in self.copies:
            copy.stop()
        for one in self.nodes.values():
            one.die()
        self._follower.close()


def _revision(pod: PodView) -> str:
    containers = pod.object.spec.get("containers")
    assert isinstance(containers, list)
    return str(containers[0]["env"][0]["value"])


@pytest.fixture
def world(store_url: str, opened: OpenStore) -> Iterator[World]:
    """Give an empty cluster on a store of each kind."""
    made = World(store_url, opened)
    yield made
    made.end()
