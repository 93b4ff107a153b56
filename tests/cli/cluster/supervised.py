"""A pod that really runs, of a node whose agent nobody needs: its supervisor alone."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pod_runner.cluster.bodies import JsonObject
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.manifests.reading import read
from pod_runner.node import by_hand
from pod_runner.node.removing import remove_pod
from pod_runner.supervisor import client
from pod_runner.supervisor.order import SOCKET, NodePlaces
from pod_runner.supervisor.spawner import Spawner
from podwire.agent.settings import read_settings

NODE = "here"


def config_text(folder: Path, store: str) -> str:
    """Return an agent.toml of a node that keeps all below a folder."""
    names = ("pods", "images", "volumes", "logs")
    lines = [f'{name} = "{folder}/{name}"' for name in names]
    parent = f"/podwire-test-{uuid.uuid4().hex[:8]}"
    return "\n".join(
        [
            "[runner]",
            "enabled = true",
            f'store = "{store}"',
            f'node = "{NODE}"',
            f'cgroup_parent = "{parent}"',
            *lines,
        ]
    )


@contextmanager
def running(manifest: str, config: Path) -> Iterator[JsonObject]:
    """Run a pod until the block ends; give its object with its status once it is ready or over."""
    places = read_settings(config).runner.places()
    (placed,) = read(manifest, "manifest").objects
    body = by_hand.bound(placed.body, places)
    spawner = Spawner()
    try:
        folder = by_hand.start(body, places, spawner)
    finally:
        spawner.close()
    try:
        yield {**body, "status": by_hand.wait_settled(folder, 20.0, lambda _: None)}
    finally:
        _end(folder, places)


def status_of(body: JsonObject, config: Path) -> JsonObject:
    """Return a pod's status of now."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return client.status(Path(read_settings(config).runner.pods, str(metadata["uid"]), SOCKET))


def _end(folder: Path, places: NodePlaces) -> None:
    cgroups = Cgroups.detect()
    with suppress(client.ControlError):  # it has ended
        client.stop(folder / SOCKET, 0)
    deadline = time.monotonic() + 20
    while said := remove_pod(folder.name, places, cgroups):
        assert time.monotonic() < deadline, said
        os.sched_yield()
    cgroups.remove(places.cgroup_parent)
