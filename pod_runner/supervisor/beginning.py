"""What comes before a container's start: its back-off, its image, an empty root, and trying again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from pod_runner.container.spec import ContainerError
from pod_runner.images.image import Image
from pod_runner.manifests.container import Container
from pod_runner.supervisor.fetching import Fetching
from pod_runner.supervisor.loop import Timer
from pod_runner.supervisor.shared import Shared
from pod_runner.supervisor.tasks import Task

GONE = ".gone"  # folders in `root/` of the pod's that are being removed


class Beginning:
    """Gets one container to its start, again and again until it succeeds."""

    def __init__(self, shared: Shared, container: Container) -> None:
        self._shared, self._container = shared, container
        self._fetching = Fetching(shared.loop, container, shared.order.node.images)
        self._delay: float | None = None
        self._timer: Timer | None = None

    @property
    def is_busy(self) -> bool:
        """Tell whether it waits, or its image is being fetched."""
        return self._timer is not None or self._fetching.is_busy

    def fetch(self, start: Callable[[Image], None], refused: Callable[[ContainerError], None]) -> None:
        """Call `start` with the image, now or later, or `refused`."""
        self._fetching.fetch(start, refused)

    def wait(self, seconds: float) -> None:
        """Have the pod looked at again in so many seconds."""

        def again() -> None:
            self._timer = None
            self._shared.changed()

        self._timer = self._shared.loop.after(seconds, again)

    def wait_longer(self) -> None:
        """Wait after a refusal, longer each time."""
        back_off = self._shared.back_off
        self._delay = back_off.next(self._delay, 0.0) or back_off.first
        self.wait(self._delay)

    def succeeded(self) -> None:
        """The container has started: a later refusal is a first one."""
        self._delay = None

    def cancel(self) -> None:
        """Wait for nothing any more."""
        self._fetching.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def clear_root(self) -> None:
        """Take away what an earlier run has written into its root: each run begins with the image's files.

        It may be much, so a task removes it. Raises OSError.
        """
        root = self._shared.folder / "root"
        old, gone = root / self._container.name, root / GONE / f"{self._container.name}.{time.monotonic_ns()}"
        if old.exists():
            gone.parent.mkdir(mode=0o700, exist_ok=True)
            old.rename(gone)
            Task(self._shared.loop, lambda: _remove(gone.parent), lambda _: None)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
