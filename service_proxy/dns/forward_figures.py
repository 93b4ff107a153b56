"""What forwarder, cache and autopath count: plain numbers, read as CoreDNS's metrics when asked for.

A worker process sends its samples to the agent as they are; sums over workers are sums of samples.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

BUCKETS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
           2.048, 4.096, 8.192)  # seconds; CoreDNS's plugin.TimeBuckets  # fmt: skip
CODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
TYPES = ("success", "denial")


class Sample(NamedTuple):
    """One number of one metric. Counters end in _total, histograms' parts in _bucket, _sum, _count."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass
class CacheFigures:
    """`hits` of answers and of denials."""

    hits: list[int] = field(default_factory=lambda: [0, 0])
    misses: int = 0
    stale: int = 0
    prefetches: int = 0
    evictions: int = 0


@dataclass
class UpstreamFigures:
    """Of one server: times by bucket, the last without a bound, and codes."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0
    codes: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    failures: int = 0  # silence, refusal of the port, a connection that broke
    unwanted: int = 0  # messages that answered something else
    probe_failures: int = 0

    def answered(self, code: int, seconds: float) -> None:
        """Count one answer."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.codes[code] += 1


@dataclass
class ForwardFigures:
    """Of one forwarder."""

    cache: CacheFigures = field(default_factory=CacheFigures)
    upstreams: dict[str, UpstreamFigures] = field(default_factory=dict)
    rejected: int = 0  # too many at once
    all_down: int = 0  # asked although no upstream had answered lately
    joined: int = 0  # questions that were on their way already
    failed: int = 0  # SERVFAIL of ours: nobody answered
    searched: int = 0  # search lists walked for a pod, with success

    def upstream(self, name: str) -> UpstreamFigures:
        """Return the figures of one server."""
        return self.upstreams.setdefault(name, UpstreamFigures())

    def samples(self, entries: int) -> list[Sample]:
        """Return all as CoreDNS's forward, cache and autopath plugins name them; `entries` in the cache."""
        found = [
            Sample("coredns_cache_entries", (), entries),
            *(Sample("coredns_cache_hits_total", (("type", TYPES[i]),), self.cache.hits[i]) for i in (0, 1)),
            Sample("coredns_cache_requests_total", (), sum(self.cache.hits) + self.cache.misses),
            Sample("coredns_cache_misses_total", (), self.cache.misses),
            Sample("coredns_cache_served_stale_total", (), self.cache.stale),
            Sample("coredns_cache_prefetch_total", (), self.cache.prefetches),
            Sample("coredns_cache_evictions_total", (), self.cache.evictions),
            Sample("coredns_forward_max_concurrent_rejects_total", (), self.rejected),
            Sample("coredns_forward_healthcheck_broken_total", (), self.all_down),
            Sample("coredns_autopath_success_total", (), self.searched),
            Sample("podwire_dns_forward_joined_total", (), self.joined),
            Sample("podwire_dns_forward_failures_total", (), self.failed),
        ]
        for name, one in list(self.upstreams.items()):
            found += _of_upstream(name, one)
        return found


def _of_upstream(name: str, one: UpstreamFigures) -> Iterator[Sample]:
    to = ("to", name)
    yield Sample("coredns_forward_requests_total", (to,), one.requests)
    for code, number in sorted(one.codes.items()):
        rcode = ("rcode", CODES[code] if code < len(CODES) else str(code))
        yield Sample("coredns_forward_responses_total", (to, rcode), number)
    proxy = (("proxy_name", "forward"), to)
    yield Sample("coredns_proxy_healthcheck_failures_total", proxy, one.probe_failures)
    yield Sample("podwire_dns_upstream_failures_total", (to,), one.failures)
    yield Sample("podwire_dns_upstream_unwanted_total", (to,), one.unwanted)
    total = 0
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), one.counts, strict=True):
        total += number
        yield Sample("coredns_proxy_request_duration_seconds_bucket", (*proxy, ("le", bound)), total)
    yield Sample("coredns_proxy_request_duration_seconds_sum", proxy, one.seconds)
    yield Sample("coredns_proxy_request_duration_seconds_count", proxy, total)
