"""A container's end: the preStop hook, its stop signal, and SIGKILL when the grace period is over.

The grace period counts from the beginning; a hook that took all of it leaves two seconds (kubelet:
killContainer, minimumGracePeriodInSeconds).
"""

from __future__ import annotations

import os
import signal
import time

from pod_runner.supervisor.asking import Asker
from pod_runner.supervisor.hooks import Hook
from pod_runner.supervisor.shared import Shared

LEAST_GRACE = 2.0  # seconds between the signal and SIGKILL
KILL_AGAIN = 0.2  # seconds; process 1 takes all others of its pid namespace along, unless somebody froze them


class Ending:
    """The end of one run. `grace` in seconds; 0 kills at once. `is_killed`: SIGKILL was sent."""

    def __init__(self, shared: Shared, asker: Asker, pid: int, stop_signal: int, grace: float) -> None:
        self._shared, self._asker = shared, asker
        self._pid, self._signal = pid, stop_signal
        self._deadline = time.monotonic() + grace
        self._hook: Hook | None = None
        self._is_signalled = self.is_killed = False
        self._timer = shared.loop.after(grace, self._time_is_up)
        action = asker.container.lifecycle.pre_stop
        if grace <= 0:
            self._kill()
        elif action is None:
            self._send()
        else:
            self._hook = Hook(asker, action, grace, lambda *_: self._send())

    def hurry(self, grace: float) -> None:
        """Be ready in so many seconds, if that is sooner."""
        deadline = time.monotonic() + grace
        if deadline < self._deadline and not self.is_killed:
            self._deadline = deadline
            self._timer.cancel()
            self._timer = self._shared.loop.after(grace, self._time_is_up)

    def close(self) -> None:
        """The process has ended."""
        self._timer.cancel()
        if self._hook is not None:
            self._hook.cancel()
            self._hook = None

    def _send(self) -> None:
        had_hook, self._hook = self._hook is not None, None
        self._is_signalled = True
        send(self._pid, self._signal)
        if had_hook and self._deadline - time.monotonic() < LEAST_GRACE:
            self._timer.cancel()
            self._timer = self._shared.loop.after(LEAST_GRACE, self._kill)

    def _time_is_up(self) -> None:
        if self._is_signalled or self._hook is None:
            self._kill()
        else:
            self._hook.cancel()
            self._send()

    def _kill(self) -> None:
        """Send SIGKILL, and wait for nobody: the rest of the pod's end goes on meanwhile."""
        self.is_killed = True
        send(self._pid, signal.SIGKILL)
        self._timer.cancel()
        self._timer = self._shared.loop.after(KILL_AGAIN, self._signal_cgroup)

    def _signal_cgroup(self) -> None:
        self._shared.signal_cgroup(self._shared.cgroup_of(self._asker.container.name))


def send(pid: int, number: int) -> None:
    """Send a signal; a process that has ended gets none."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it ended at this moment; its exit will be told
        return
