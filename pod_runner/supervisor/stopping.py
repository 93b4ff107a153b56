"""A pod's end: containers, then sidecars in reverse order, then the network, the sandbox and the cgroup.

The network is left as soon as every container has ended or got SIGKILL: a link's deletion waits for the
kernel's readers (RCU) about as long as a process takes to go.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from pod_runner.supervisor.ending import KILL_AGAIN, send
from pod_runner.supervisor.joining import Joining
from pod_runner.supervisor.logs import clock
from pod_runner.supervisor.running import ContainerLife
from pod_runner.supervisor.shared import Shared


class Stopping:
    """Ends a pod, a step for each `advance`; `record.is_ended` says that it is over."""

    def __init__(
        self,
        shared: Shared,
        init_lives: Sequence[ContainerLife],
        lives: Sequence[ContainerLife],
        joining: Joining,
    ) -> None:
        self._shared, self._joining = shared, joining
        self._init_lives, self._lives = init_lives, lives
        self._all = (*init_lives, *lives)
        self._is_killed = False  # the sandbox

    def advance(self) -> None:
        """Do what is next."""
        have_ended = self._end_containers()
        has_left = all(life.is_ending for life in self._all) and self._joining.leave()
        if have_ended and has_left:
            self._end_sandbox()

    def _end_containers(self) -> bool:
        """End what runs, in order; True when nothing does."""
        stop_by = self._shared.record.stop_by or 0.0
        grace = max(0.0, stop_by - clock())
        for group in (self._lives, *([one] for one in reversed(self._init_lives))):
            for life in group:
                life.give_up()
                life.end(grace)
            if any(life.is_running for life in group):
                return False
        return True

    def _end_sandbox(self) -> None:
        """Take away the sandbox and the cgroup with whatever is left in it."""
        shared, record = self._shared, self._shared.record
        if shared.sandbox is not None:
            self._kill_sandbox(shared.sandbox.pid)  # its exit brings us here again
            return
        shared.kill_cgroup(shared.spec.cgroup)
        shared.remove_cgroup(shared.spec.cgroup)
        record.is_ended = True
        shared.loop.stop()

    def _kill_sandbox(self, pid: int) -> None:
        if not self._is_killed:
            self._is_killed = True
            send(pid, signal.SIGKILL)
            self._shared.loop.after(KILL_AGAIN, self._signal_cgroup)

    def _signal_cgroup(self) -> None:
        self._shared.signal_cgroup(self._shared.spec.cgroup)
