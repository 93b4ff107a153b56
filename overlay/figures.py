"""What the overlay counts, for metrics: sums and bounded histograms, nothing by peer."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds


@dataclass
class Histogram:
    """Times in seconds, by bucket; the last bucket has no bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


@dataclass
class Figures:
    """One node's. `convergence`: from a record's arrival to its entries in the kernel."""

    convergence: Histogram = field(default_factory=Histogram)
    round_trips: Histogram = field(default_factory=Histogram)
    registry: dict[str, Histogram] = field(default_factory=dict)
    passes: Counter[str] = field(default_factory=Counter)  # full, partial
    changes: int = 0

    def asked(self, what: str, seconds: float) -> None:
        """Count one question to the registry."""
        self.registry.setdefault(what, Histogram()).add(seconds)
