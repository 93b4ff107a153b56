"""The probes of one run of a container: asks when it is due, and tells what it has come to.

As kubelet does: until the startup probe succeeded nothing else is asked; readiness begins with False,
liveness with True; after a failure of startup or liveness the container is ended.
"""

from __future__ import annotations

from collections.abc import Callable

from pod_runner.manifests.container import Probe
from pod_runner.supervisor.asking import Asker
from pod_runner.supervisor.checks import Check
from pod_runner.supervisor.loop import Timer
from pod_runner.supervisor.probes import Kind, Tally, Timing, Verdict, first_delay


def timing_of(probe: Probe) -> Timing:
    """Return a probe's numbers."""
    return Timing(
        probe.initial_delay_seconds,
        max(probe.period_seconds, 1),
        max(probe.timeout_seconds, 1),
        probe.success_threshold,
        probe.failure_threshold,
    )


class Series:
    """One probe, asked again and again."""

    def __init__(self, asker: Asker, probe: Probe, ran: float, judged: Callable[[Tally], None]) -> None:
        self._asker, self._probe, self._judged = asker, probe, judged
        self._timing = timing_of(probe)
        self._tally = Tally()
        self._check: Check | None = None
        self._timer: Timer = asker.loop.after(first_delay(self._timing, ran), self._ask)

    def stop(self) -> None:
        """Ask no more."""
        self._timer.cancel()
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _ask(self) -> None:
        self._timer = self._asker.loop.after(self._timing.period, self._ask)
        if self._check is None:  # else the one before still waits: its timeout may be longer than the period
            self._check = self._asker.ask(self._probe, self._timing.timeout, self._answered)

    def _answered(self, is_good: bool, message: str) -> None:
        self._check = None
        self._tally = self._tally.add(is_good, message, self._timing)
        self._judged(self._tally)


class Prober:
    """All probes of one run. `changed`: started or ready did; `failed`: it is to be ended, and why.

    `ran` in seconds; `was_started` and `was_ready`: as an earlier supervisor found it.
    """

    def __init__(
        self,
        asker: Asker,
        ran: float,
        *,
        was_started: bool,
        was_ready: bool,
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        container = asker.container
        self.is_started = was_started or container.startup_probe is None
        self._is_good = was_ready or container.readiness_probe is None
        self._asker, self._changed, self._failed = asker, changed, failed
        self._series: list[Series] = []
        if self.is_started:
            self._begin(ran)
        elif container.startup_probe is not None:
            self._series = [Series(asker, container.startup_probe, ran, self._startup)]

    @property
    def is_ready(self) -> bool:
        """Tell whether it may get requests."""
        return self.is_started and self._is_good

    @property
    def is_asking(self) -> bool:
        """Tell whether there is something to ask, now or later."""
        return bool(self._series)

    def stop(self) -> None:
        """Ask no more."""
        for one in self._series:
            one.stop()
        self._series = []

    def _begin(self, ran: float) -> None:
        container = self._asker.container
        if container.liveness_probe is not None:
            self._series.append(Series(self._asker, container.liveness_probe, ran, self._liveness))
        if container.readiness_probe is not None:
            self._series.append(Series(self._asker, container.readiness_probe, ran, self._readiness))

    def _startup(self, tally: Tally) -> None:
        if tally.verdict is Verdict.SUCCESS:
            self.stop()
            self.is_started = True
            self._begin(float("inf"))  # kubelet counts initialDelaySeconds from the start, which is over
            self._changed()
        else:
            self._judge(Kind.STARTUP, tally)

    def _liveness(self, tally: Tally) -> None:
        self._judge(Kind.LIVENESS, tally)

    def _readiness(self, tally: Tally) -> None:
        is_good = tally.verdict is Verdict.SUCCESS
        if is_good != self._is_good:
            self._is_good = is_good
            self._changed()

    def _judge(self, kind: Kind, tally: Tally) -> None:
        if tally.verdict is Verdict.FAILURE:
            self.stop()
            self._failed(f"failed {kind.value} probe, will be restarted: {tally.message}")
