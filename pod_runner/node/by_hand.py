"""Pods of this node alone, made by hand: `podwire pod run`, list and stop, with and without an agent."""

from __future__ import annotations

import select
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster_store.file_changes import IN_CREATE, WATCHED, FileChanges
from pod_runner.cluster.bodies import JsonObject, number, rows, table, text, texts, words
from pod_runner.cluster.metadata import time_text
from pod_runner.node.decide import PATIENCE
from pod_runner.node.orders import folders, read_folder, read_status, write_order
from pod_runner.node.statuses import is_over, is_ready
from pod_runner.node.supervisors import connect
from pod_runner.node.wanted import BY_HAND, DEFAULT_GRACE, SOURCE, source_of
from pod_runner.supervisor import client, lock
from pod_runner.supervisor.lines import BadLine, Lines
from pod_runner.supervisor.order import SOCKET, NodePlaces, PodOrder
from pod_runner.supervisor.spawner import Spawner
from pod_runner.supervisor.state import is_ended

LISTENS_WITHIN = 20.0  # seconds for a new supervisor, on a machine that is very busy
LOOK_EVERY = 0.02  # seconds: a socket's file is there before somebody listens, and nothing tells of that


class NoSuchPod(Exception):
    """There is no pod of that name here, or there are several."""


@dataclass(frozen=True)
class Here:
    """A pod's folder, and what is known of it."""

    folder: Path
    pod: JsonObject
    status: JsonObject
    is_supervised: bool

    @property
    def name(self) -> str:
        """Return namespace and name."""
        return f"{text(self.pod, 'metadata', 'namespace')}/{text(self.pod, 'metadata', 'name')}"

    @property
    def is_by_hand(self) -> bool:
        """Tell whether no store and no folder of manifests wants it."""
        return source_of(self.pod) == BY_HAND

    @property
    def ready(self) -> tuple[int, int]:
        """Return how many containers are ready, of how many."""
        containers = rows(self.status, "containerStatuses")
        return sum(one.get("ready") is True for one in containers), len(containers)

    @property
    def restarts(self) -> int:
        """Return how often its containers were restarted."""
        return sum(number(one, "restartCount") for one in rows(self.status, "containerStatuses"))


def pods(places: NodePlaces) -> list[Here]:
    """Return all pods of this node that have an order."""
    found = []
    for folder in folders(Path(places.pods)):
        if (order := read_folder(folder)) is not None:
            found.append(Here(folder, order.pod, read_status(folder), lock.is_held(folder)))
    return found


def find(places: NodePlaces, name: str) -> Here:
    """Return a pod by its name, NAMESPACE/NAME or uid. Raises NoSuchPod."""
    found = [one for one in pods(places) if name in (one.name, one.name.partition("/")[2], one.folder.name)]
    if not found:
        raise NoSuchPod(f"there is no pod {name!r} in {places.pods}")
    if len(found) > 1:
        raise NoSuchPod(f"{name!r} may be " + " or ".join(f"{one.name} ({one.folder.name})" for one in found))
    return found[0]


def bound(pod: JsonObject, places: NodePlaces) -> JsonObject:
    """Return a pod as this node has it: bound, with a uid, marked as made by hand."""
    metadata = table(pod, "metadata")
    given: JsonObject = {
        "namespace": text(metadata, "namespace") or "default",
        "uid": str(uuid.uuid4()),
        "annotations": words(metadata, "annotations") | {SOURCE: BY_HAND},
        "creationTimestamp": time_text(time.time()),
    }
    return {**pod, "metadata": metadata | given, "spec": {**table(pod, "spec"), "nodeName": places.name}}


def start(pod: JsonObject, places: NodePlaces, spawner: Spawner) -> Path:
    """Write a pod's order and have a supervisor on it; return its folder. Raises OSError, SpawnerError."""
    order = PodOrder(pod, places)
    write_order(order)
    spawner.spawn(order.folder)
    return order.folder


def supervise(these: list[Path]) -> None:
    """Have a supervisor on each folder; they go on when this process ends. Raises SpawnerError."""
    if not these:
        return
    spawner = Spawner()
    try:
        for one in these:
            spawner.spawn(one)
    finally:
        spawner.close()


def wait_settled(folder: Path, patience: float, tell: Callable[[JsonObject], None]) -> JsonObject:
    """Wait until a pod is ready or over, and return its last status; `tell` hears of each.

    Raises:
        TimeoutError: it is neither after `patience` seconds; with what keeps it from it, where that is known.
        ControlError: its supervisor has gone.
    """
    deadline, status = time.monotonic() + patience, read_status(folder)
    _await_listener(folder, min(deadline, time.monotonic() + LISTENS_WITHIN))
    for status in client.watch(folder / SOCKET, deadline):
        tell(status)
        if is_ready(status) or is_over(status):
            return status
    if time.monotonic() > deadline:
        said = "; ".join(texts(status, "podwire", "troubles"))
        why = f": {said}" if said else ""
        raise TimeoutError(f"the pod is {text(status, 'phase')} after {patience:g} s{why}")
    return status


def stop(here: Here, grace: float | None) -> None:
    """Have a pod's supervisor end it, and wait for that as long as it may take; one that has ended is fine.

    Raises:
        ControlError: nobody answers, or not in time.
    """
    if is_ended(here.folder) and not here.is_supervised:
        return
    if not here.is_supervised:  # what its supervisor would do is done in order, by another one
        supervise([here.folder])
        _await_listener(here.folder, time.monotonic() + LISTENS_WITHIN)
    own = number(here.pod, "spec", "terminationGracePeriodSeconds", default=int(DEFAULT_GRACE))
    try:
        lines = Lines(connect(here.folder))
    except OSError as error:
        raise client.ControlError(f"{here.name}: no supervisor answers: {error.strerror}") from error
    try:
        lines.connection.settimeout((own if grace is None else grace) + PATIENCE)
        lines.send({"ask": "stop", "grace": grace})
        if lines.receive() is None:
            raise client.ControlError(f"{here.name}: its supervisor ended before it had done that")
    except (OSError, BadLine) as error:
        raise client.ControlError(f"{here.name}: its supervisor does not end it: {error}") from error
    finally:
        lines.close()


def _await_listener(folder: Path, deadline: float) -> None:
    """Wait until a supervisor listens, or it is too late: whoever asks it then is told why it does not."""
    changes = FileChanges(folder, WATCHED | IN_CREATE)
    try:
        while time.monotonic() < deadline:
            try:
                connect(folder).close()
            except OSError:
                select.select([changes.fd], [], [], LOOK_EVERY)
                changes.take()
            else:
                return
    finally:
        changes.close()
