"""What the proxy counts: sums and bounded histograms, nothing by service."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

# seconds; kube-proxy's begin at 1 ms, where ours are mostly over
BUCKETS = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0,
    4.0, 8.0, 16.0, 60.0,
)  # fmt: skip
REMEMBERED = 1000  # times that quantiles are made of: the latest


class Histogram:
    """Times in seconds, by bucket; the last bucket has no bound."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0
        self._latest: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds
        self._latest.append(seconds)

    @property
    def count(self) -> int:
        """Return how many there were."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return what `share` of the latest times are not above; None before there are any."""
        found = sorted(self._latest)
        return found[min(len(found) - 1, int(share * len(found)))] if found else None


@dataclass
class Figures:
    """One node's. `syncs` by kind: "full" (against the kernel) and "partial" (what has changed)."""

    syncs: dict[str, Histogram] = field(default_factory=lambda: {"full": Histogram(), "partial": Histogram()})
    programming: Histogram = field(default_factory=Histogram)  # from an event's arrival to the commit
    changes: Counter[str] = field(default_factory=Counter)  # events, by what they were of
    pending: Counter[str] = field(default_factory=Counter)  # of these, what is not in the kernel yet
    entries: Counter[str] = field(default_factory=Counter)  # added, removed
    failures: int = 0  # batches that were refused
    mended: int = 0  # full syncs that found something else than was left there
    flows_forgotten: int = 0  # questions to conntrack
    last_change: float = 0.0  # of the epoch: when something began to wait for the kernel
    last_sync: float = 0.0  # of the epoch: when it was last all done
