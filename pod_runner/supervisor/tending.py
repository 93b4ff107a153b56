"""What is done for a container that runs: its postStart hook, then its probes."""

from __future__ import annotations

from collections.abc import Callable

from pod_runner.supervisor.asking import Asker
from pod_runner.supervisor.hooks import Hook
from pod_runner.supervisor.prober import Prober
from pod_runner.supervisor.state import ContainerRecord


class Tending:
    """Tends one run, and notes in its record whether it has started and is ready.

    `ran`: seconds since its start. `changed`: the record has; `failed`: it is to be ended, and why. What an
    earlier supervisor noted counts: a hook is not run again for a container that has started.
    """

    def __init__(
        self,
        asker: Asker,
        record: ContainerRecord,
        ran: float,
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._asker, self._record = asker, record
        self._changed, self._failed = changed, failed
        self._prober: Prober | None = None
        self._hook: Hook | None = None
        hook = asker.container.lifecycle.post_start
        if hook is None or record.started:
            self._probe(ran)
        else:
            self._hook = Hook(asker, hook, None, self._hook_done)

    @property
    def is_busy(self) -> bool:
        """Tell whether the hook runs, or there is something to ask."""
        return self._hook is not None or (self._prober is not None and self._prober.is_asking)

    def stop(self) -> None:
        """Ask and do nothing any more."""
        if self._hook is not None:
            self._hook.cancel()
        if self._prober is not None:
            self._prober.stop()
        self._hook = self._prober = None

    def _hook_done(self, is_good: bool, message: str) -> None:
        self._hook = None
        if is_good:
            self._probe(0.0)
        else:
            self._failed(f"PostStartHookError: {message}")

    def _probe(self, ran: float) -> None:
        was_started, was_ready = self._record.started, self._record.started and self._record.ready
        self._prober = Prober(
            self._asker,
            ran,
            was_started=was_started,
            was_ready=was_ready,
            changed=self._note,
            failed=lambda message: self._failed(f"Container {self._asker.container.name} {message}"),
        )
        self._note()

    def _note(self) -> None:
        if self._prober is not None:
            self._record.started = self._prober.is_started
            self._record.ready = self._prober.is_ready
        self._changed()
