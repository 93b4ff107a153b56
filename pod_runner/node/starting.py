"""What the node does that takes a moment: in a thread of a small pool, told to the loop when it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pod_runner.container.spec import ContainerError
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.collecting import Collected, Living, collect
from pod_runner.node.orders import write_order
from pod_runner.node.removing import remove_pod
from pod_runner.supervisor.order import NodePlaces, PodOrder
from pod_runner.supervisor.spawner import Spawner, SpawnerError

log = logging.getLogger("podwire.runner")


@dataclass(frozen=True)
class Spawned:
    """A supervisor was forked for a pod; `order` if it was written just now."""

    uid: str
    pid: int
    order: PodOrder | None = None


@dataclass(frozen=True)
class Removed:
    """Nothing is left of a pod."""

    uid: str


@dataclass(frozen=True)
class Failed:
    """Something could not be done about a pod; it is tried again."""

    uid: str
    why: str


@dataclass(frozen=True)
class Tidied:
    """Garbage was looked for."""

    collected: Collected


Done = Spawned | Removed | Failed | Tidied


class Workers:
    """A few threads for what blocks. `tell` is called in them."""

    def __init__(
        self, places: NodePlaces, spawner: Spawner, tell: Callable[[Done], None], *, most: int
    ) -> None:
        self._places, self._spawner, self._tell = places, spawner, tell
        self._cgroups = Cgroups.detect()
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="runner")

    def start(self, order: PodOrder) -> None:
        """Write an order, and have a supervisor on it."""

        def work() -> Done:
            write_order(order)
            return Spawned(order.uid, self._spawner.spawn(order.folder), order)

        self._submit(order.uid, work)

    def supervise(self, uid: str, folder: Path) -> None:
        """Have a supervisor on a folder that is there."""
        self._submit(uid, lambda: Spawned(uid, self._spawner.spawn(folder)))

    def remove(self, uid: str) -> None:
        """Take away what is left of a pod."""

        def work() -> Done:
            said = remove_pod(uid, self._places, self._cgroups)
            return Failed(uid, "; ".join(said)) if said else Removed(uid)

        self._submit(uid, work)

    def collect(self, living: Living) -> None:
        """Remove what no living pod owns."""

        def work() -> Done:
            return Tidied(collect(self._places, self._cgroups, living))

        self._submit("", work)

    def stop(self) -> None:
        """Let what is at work come to its end; what has not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, uid: str, work: Callable[[], Done]) -> None:
        def guarded() -> None:
            try:
                self._tell(work())
            except (OSError, SpawnerError, ContainerError) as error:
                self._tell(Failed(uid, str(error)))

        self._pool.submit(guarded)
