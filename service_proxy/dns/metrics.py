"""What was asked and answered, for Prometheus, under CoreDNS's names (its plugin `metrics`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service_proxy.dns.counting import BUCKETS, SampleKey, Snapshot

# the types that CoreDNS tells apart (plugin/metrics/vars/monitor.go); all others are "other"
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
    41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 65: "HTTPS", 251: "IXFR",
    252: "AXFR", 255: "ANY",
}  # fmt: skip
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class DnsCollector(Collector):
    """The metrics, made when somebody asks. `server` is CoreDNS's label: dns://:53."""

    def __init__(self, count: Callable[[], Snapshot], zone: str, server: str = "dns://:53") -> None:
        self._count = count
        self._zone = zone.removesuffix(".") + "."
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        seen = self._count()
        yield self._requests(seen)
        yield self._responses(seen)
        yield self._durations(seen)
        dropped = CounterMetricFamily("podwire_dns_dropped", "Answers that could not be sent.")
        dropped.add_metric([], seen.dropped)
        yield dropped
        yield from _others(seen.others)

    def _requests(self, seen: Snapshot) -> Metric:
        labels = ["server", "zone", "view", "proto", "family", "type"]
        family = CounterMetricFamily("coredns_dns_requests", "DNS requests.", labels=labels)
        numbers: dict[tuple[str, ...], int] = {}
        for (zone, proto, side, kind), number in seen.types.items():
            key = self._server, self._name(zone), "", proto, side, TYPES.get(kind, "other")
            numbers[key] = numbers.get(key, 0) + number
        for values, number in numbers.items():
            family.add_metric(values, number)
        return family

    def _responses(self, seen: Snapshot) -> Metric:
        labels = ["server", "zone", "view", "rcode", "plugin"]
        family = CounterMetricFamily("coredns_dns_responses", "DNS responses by code.", labels=labels)
        for (zone, code), number in seen.codes.items():
            plugin = "forward" if zone == "." else "kubernetes"
            name = CODES.get(code, str(code))
            family.add_metric([self._server, self._name(zone), "", name, plugin], number)
        return family

    def _durations(self, seen: Snapshot) -> Metric:
        family = HistogramMetricFamily(
            "coredns_dns_request_duration_seconds",
            "How long answers took, but for those that others gave: a burst's mean for each of its queries.",
            labels=["server", "zone", "view"],
        )
        total, buckets = 0, []
        for bound, number in zip((*map(str, BUCKETS), "+Inf"), seen.buckets, strict=True):
            total += number
            buckets.append((bound, float(total)))
        family.add_metric([self._server, self._zone, ""], buckets, seen.seconds)
        return family

    def _name(self, zone: str) -> str:
        return zone if zone == "." else self._zone


def _others(samples: Mapping[SampleKey, float]) -> Iterator[Metric]:
    """Yield what the resolver counts, whose samples have their whole names already."""
    families: dict[str, Metric] = {}
    for (name, labels), value in samples.items():
        family, kind = _family(name)
        metric = families.setdefault(family, Metric(family, "Of names of others.", kind))
        metric.add_sample(name, dict(labels), value)
    yield from families.values()


def _family(name: str) -> tuple[str, str]:
    for end in ("_bucket", "_sum", "_count"):
        if name.endswith(end):
            return name.removesuffix(end), "histogram"
    return (name.removesuffix("_total"), "counter") if name.endswith("_total") else (name, "gauge")
