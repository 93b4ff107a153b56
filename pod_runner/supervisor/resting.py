"""When a worker may go, and what it leaves to its keeper: the pod is quiet, and has been for a while.

Quiet: all that is to run runs and is ready, nothing is asked (probes), tried again or being done, all is
written down, and whoever talks to the supervisor only watches. A container with a terminal or an input keeps
its worker: nobody else could go on with those.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pod_runner.supervisor.loop import Loop

SLACK = 0.001  # seconds; a timer is called a little early at most


class Resting:
    """Ends the loop when nothing has happened for `after` seconds and `leave` could be done."""

    def __init__(self, loop: Loop, after: float, leave: Callable[[], bool]) -> None:
        self.is_over = False
        self._loop, self._after, self._leave = loop, after, leave
        self._latest = time.monotonic()
        self._is_waiting = self._is_looking = False

    def happened(self) -> None:
        """Note that something was done in a round of the loop; a look is nothing."""
        if self._is_looking:
            self._is_looking = False
            return
        self._latest = time.monotonic()
        if not self._is_waiting:
            self._look_in(self._after)

    def _look_in(self, seconds: float) -> None:
        self._is_waiting = True
        self._loop.after(seconds, self._look)

    def _look(self) -> None:
        self._is_waiting, self._is_looking = False, True
        left = self._latest + self._after - time.monotonic()
        if left > SLACK:
            self._look_in(left)
        elif self._leave():
            self.is_over = True
            self._loop.stop()
        else:  # what is to come may come in this very round
            self._look_in(self._after)
