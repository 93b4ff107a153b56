"""A pod's end: containers, then sidecars in reverse order, then the network, the sandbox and the cgroup."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from pod_runner.supervisor.ending import send
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

    def advance(self) -> None:
        """Do what is next."""
        if self._end_containers() and self._joining.leave():
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
        shared.kill_cgroup(shared.spec.cgroup)
        if shared.sandbox is not None:
            send(shared.sandbox.pid, signal.SIGKILL)  # its exit brings us here again
            return
        shared.remove_cgroup(shared.spec.cgroup)
        record.is_ended = True
        shared.loop.stop()
