"""A node in a folder of the test's, on a store of its own, with supervisors that run nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cluster_store.directory import DirectoryStore
from cluster_store.store import Store
from pod_runner.cluster.kinds import POD
from pod_runner.cluster.objects import Object
from pod_runner.cluster.store import ClusterStore
from pod_runner.node.admission import Room
from pod_runner.node.node import PodNode
from pod_runner.node.node_object import NodeFacts
from pod_runner.node.settings import RunnerSettings
from pod_runner.supervisor.spawner import Spawner
from tests.pod_runner.node.pods import pod

PRETEND = Path(__file__).with_name("pretend.py")
WITHIN = 60.0  # seconds


def wait_for(condition: Callable[[], object], what: str = "it did not come to be") -> None:
    """Wait for what another thread or process is about to do."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)  # a poll with a deadline


class Pretenders(Spawner):
    """Starts `pretend.py` where an agent's spawner would fork a supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Do nothing: each is a process of its own."""

    def spawn(self, folder: Path) -> int:
        """Start one, and return its pid."""
        one = subprocess.Popen([sys.executable, "-I", "-S", PRETEND, folder], start_new_session=True)
        self.processes.append(one)
        return one.pid

    def close(self) -> None:
        """Do nothing: supervisors go on."""

    def kill_all(self) -> None:
        """End every one."""
        for one in self.processes:
            one.kill()
            one.wait()


class World:
    """One node that can be started, stopped and killed, and the store it works for."""

    def __init__(
        self, folder: Path, opened: Callable[[Path], Store] = DirectoryStore, **settings: Any
    ) -> None:
        self.folder, self._opened = folder, opened
        given = {"pods": "pods", "logs": "logs", "volumes": "volumes", "images": "images", "cni_cache": "cni"}
        places = {key: str(folder / name) for key, name in given.items()}
        self.settings = RunnerSettings(
            enabled=True, node="n1", conf_dir=str(folder), cgroup_parent="/podwire-test-node", heartbeat=2.0,
            **places | {"drain": 0.0} | settings,
        )  # fmt: skip
        self.cluster = ClusterStore(self.open())
        self.pretenders = Pretenders()
        self.node: PodNode | None = None
        self._thread = Thread()

    def open(self) -> Store:
        """Open the store once more."""
        return self._opened(self.folder / "store")

    def start(self) -> PodNode:
        """Start the node's loop."""
        facts = NodeFacts("n1", Room(4.0, 1 << 30, self.settings.max_pods))
        node = PodNode(
            self.settings, self.settings.places("10.0.0.1"), self.open, lambda: facts, spawner=self.pretenders
        )
        self.node, self._thread = node, Thread(target=node.run, daemon=True)
        self._thread.start()
        return node

    def stop(self) -> None:
        """Stop it; pods go on."""
        if self.node is not None:
            self.node.stop()
            self._thread.join(WITHIN)
            assert not self._thread.is_alive()
            self.node = None

    def create(self, name: str, **spec: Any) -> Object:
        """Write a pod that is bound to the node; labels say how its supervisor behaves."""
        labels = spec.pop("labels", {})
        body = pod(name, **spec)
        body["metadata"]["labels"] = labels
        self.cluster.create(body)
        found = self.get(name)
        assert found is not None
        return found

    def get(self, name: str) -> Object | None:
        """Return a pod's object."""
        return self.cluster.get(POD, "default", name)

    def status(self, name: str) -> dict[str, object]:
        """Return a pod's status."""
        found = self.get(name)
        return found.status if found else {}

    def place(self, uid: str) -> Path:
        """Return a pod's folder."""
        return self.folder / "pods" / uid

    def asked(self, uid: str) -> list[dict[str, object]]:
        """Return what a pod's supervisors were asked."""
        path = self.place(uid) / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(self, name: str, **spec: Any) -> Object:
        """Create a pod, and wait until its object says that it runs."""
        found = self.create(name, **spec)
        wait_for(lambda: self.status(name).get("phase") == "Running", f"{name} does not run")
        return found

    def kill_supervisors(self) -> None:
        """Kill all that there are now, as the kernel would for want of memory."""
        for one in self.pretenders.processes:
            if one.poll() is None:
                one.send_signal(signal.SIGKILL)
                one.wait()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Make a node that is started by the test."""
    (tmp_path / "10-none.conflist").write_text("{}")
    found = World(tmp_path)
    yield found
    found.stop()
    found.pretenders.kill_all()
