"""Is the proxy well? `/healthz` for load balancers, `/livez` for kubelet, as kube-proxy answers them.

A proxy is ill while a change has waited for the kernel longer than `PATIENCE`. `/healthz` is also 503 on a
node that is about to be deleted, so that no new traffic is sent there (KEP-3836); `/livez` is not, since to
restart the proxy would help nobody.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from service_proxy.health_http import NOT_FOUND, Answering, HttpAnswer

PATIENCE = 60.0  # seconds; kube-proxy's is two of its sync periods, 30 s each


class ProxyHealth:
    """What the loop tells of itself; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.time, patience: float = PATIENCE) -> None:
        self._clock, self._patience = clock, patience
        self._updated_at = 0.0  # never
        self._pending_since = clock()  # the first load is pending from the start
        self._is_pending = True
        self.is_leaving = False  # the node is about to be deleted
        self.answers: Counter[tuple[str, int]] = Counter()  # so far, by path and status

    def queued(self) -> None:
        """Note that a change waits to be written; before the first load, that already is so."""
        if not self._is_pending:
            self._is_pending, self._pending_since = True, self._clock()

    def updated(self) -> None:
        """Note that all is written."""
        self._updated_at, self._is_pending = self._clock(), False

    @property
    def is_healthy(self) -> bool:
        """Tell whether the kernel has what it should, or will have it in time."""
        return not self._is_pending or self._clock() - self._pending_since < self._patience

    @property
    def is_ready(self) -> bool:
        """Tell whether the kernel has had all of it once."""
        return self._updated_at > 0

    def healthz(self) -> HttpAnswer:
        """Answer a load balancer: is traffic to be sent to this node?"""
        is_well = self.is_healthy and self.is_ready and not self.is_leaving
        return self._answer(is_well, {"nodeEligible": not self.is_leaving})

    def livez(self) -> HttpAnswer:
        """Answer who would restart the proxy."""
        return self._answer(self.is_healthy, {})

    def _answer(self, is_well: bool, more: Mapping[str, object]) -> HttpAnswer:
        times = {"lastUpdated": _stamp(self._updated_at), "currentTime": _stamp(self._clock())}
        return HttpAnswer(200 if is_well else 503, json.dumps({**times, **more}))


def answering(health: ProxyHealth) -> Answering:
    """Return what answers by path."""
    answers = {"/healthz": health.healthz, "/livez": health.livez}

    def answer(path: str) -> HttpAnswer:
        if path not in answers:
            return NOT_FOUND
        found = answers[path]()
        health.answers[path, found.status] += 1
        return found

    return answer


def _stamp(seconds: float) -> str:
    if not seconds:
        return "0001-01-01 00:00:00 +0000 UTC"  # Go's zero time, as kube-proxy writes it
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f} +0000 UTC"
