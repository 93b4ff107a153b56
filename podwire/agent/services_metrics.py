"""The proxy's and the DNS server's figures for Prometheus, under kube-proxy's and CoreDNS's names.

Names of theirs that mean the same here keep it, so that dashboards and alarms go on. Nothing by service.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from podwire.agent.services import Services
from service_proxy.dns.metrics import DnsCollector
from service_proxy.figures import BUCKETS, Figures, Histogram

KUBE_PROXY = "kubeproxy_sync_proxy_rules"


class ServicesCollector(Collector):
    """The metrics of services on one node, made when somebody asks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        node = self._services.node
        with node.lock:
            found = list(_of_proxy(node.figures))
            pending = float(node.programs and not node.health.is_healthy)
            names = [str(one["name"]) for one in node.conditions.as_json()]
            names += [one.name for one in node.source.conditions()]
            services = len(node.catalogue.services)
            endpoints = sum(len(one.endpoints) for one in node.catalogue.slices.values())
        yield from found
        conditions = GaugeMetricFamily(
            "podwire_services_conditions", "What is not as it should be.", labels=["condition"]
        )
        for name in sorted(set(names)):
            conditions.add_metric([name], names.count(name))
        yield conditions
        yield GaugeMetricFamily("podwire_services", "Services that are known.", value=services)
        yield GaugeMetricFamily("podwire_services_endpoints", "Endpoints that are known.", value=endpoints)
        yield GaugeMetricFamily("podwire_services_late", "Whether a change waits too long.", value=pending)
        if self._services.dns is not None:
            yield from DnsCollector(self._services.dns.count, self._services.zone).collect()


def _of_proxy(figures: Figures) -> Iterator[Metric]:
    full, partial = figures.syncs["full"], figures.syncs["partial"]
    yield _histogram(f"{KUBE_PROXY}_duration_seconds", "Time of a sync, of either kind.", full, partial)
    yield _histogram("kubeproxy_sync_full_proxy_rules_duration_seconds", "Time of a full sync.", full)
    yield _histogram(
        "kubeproxy_sync_partial_proxy_rules_duration_seconds", "Time of a partial sync.", partial
    )
    text = "From an event's arrival to its entries in the kernel."
    yield _histogram("kubeproxy_network_programming_duration_seconds", text, figures.programming)
    text = "When everything was last in the kernel, seconds of the epoch."
    yield GaugeMetricFamily(f"{KUBE_PROXY}_last_timestamp_seconds", text, value=figures.last_sync)
    for name, kind in (("endpoint", "EndpointSlice"), ("service", "Service")):
        changes = figures.changes[kind]
        yield CounterMetricFamily(f"{KUBE_PROXY}_{name}_changes", f"Changes of {kind}s.", value=changes)
    text = "Transactions that the kernel refused."
    yield CounterMetricFamily(f"{KUBE_PROXY}_nftables_sync_failures", text, value=figures.failures)
    family = CounterMetricFamily(
        "podwire_services_entries", "Elements added to and removed from the kernel.", labels=["change"]
    )
    for change in ("added", "removed"):
        family.add_metric([change], figures.entries[change])
    yield family
    text = "Questions to the connection table about flows of endpoints that have gone."
    yield CounterMetricFamily("podwire_services_flows_forgotten", text, value=figures.flows_forgotten)


def _histogram(name: str, text: str, *parts: Histogram) -> Metric:
    """Return one histogram of one or several."""
    total, buckets = 0, []
    counts = [sum(column) for column in zip(*(one.counts for one in parts), strict=True)]
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        total += number
        buckets.append((bound, float(total)))
    family = HistogramMetricFamily(name, text)
    family.add_metric([], buckets, sum(one.sum for one in parts))
    return family
