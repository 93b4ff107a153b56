"""What happened so far: requests by verb, plugin and outcome, how long they took, who was turned away."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)  # seconds

Outcome = tuple[str, str, int]  # verb, plugin, CNI error code; 0 is success


@dataclass
class Duration:
    """How long requests of one kind took: how many in each bucket, the last for all above; and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0  # seconds

    @property
    def number(self) -> int:
        """Return how many there were."""
        return sum(self.counts)


@dataclass
class Counters:
    """Counts of one agent, from its start. Threads may share one."""

    since: float = field(default_factory=time.time)  # seconds of the wall clock
    requests: Counter[Outcome] = field(default_factory=Counter)
    durations: dict[tuple[str, str], Duration] = field(default_factory=dict)  # by verb, plugin
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    gauge_failures: Counter[str] = field(default_factory=Counter)  # by gauge
    _lock: Lock = field(default_factory=Lock)

    def count(self, verb: str, plugin: str, code: int, seconds: float) -> None:
        """Count a request that was answered."""
        with self._lock:
            self.requests[verb, plugin, code] += 1
            duration = self.durations.setdefault((verb, plugin), Duration())
            duration.counts[bisect_left(BUCKETS, seconds)] += 1
            duration.total += seconds

    def reject(self, reason: str) -> None:
        """Count a caller that was turned away."""
        with self._lock:
            self.rejected[reason] += 1

    def fail_gauge(self, gauge: str) -> None:
        """Count a gauge that could not be read."""
        with self._lock:
            self.gauge_failures[gauge] += 1

    def snapshot(self) -> Counters:
        """Return a copy that nobody changes."""
        with self._lock:
            durations = {key: Duration(list(one.counts), one.total) for key, one in self.durations.items()}
            rejected, failures = Counter(self.rejected), Counter(self.gauge_failures)
            return Counters(self.since, Counter(self.requests), durations, rejected, failures)
