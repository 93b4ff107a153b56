"""The proxy's and the DNS server's figures for Prometheus, under kube-proxy's and CoreDNS's names.

Names of theirs that mean the same here keep it, so that dashboards and alarms go on. Nothing by service.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from podwire.agent.services import Services
from service_proxy.catalogue import Catalogue
from service_proxy.dns.metrics import DnsCollector
from service_proxy.figures import BUCKETS, Figures, Histogram
from service_proxy.health import ProxyHealth
from service_proxy.model import ServiceType
from service_proxy.usable import has_only_others

KUBE_PROXY = "kubeproxy_sync_proxy_rules"
EXTERNAL = (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER)


class ServicesCollector(Collector):
    """The metrics of services on one node, made when somebody asks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        node = self._services.node
        with node.lock:
            found = [*_of_proxy(node.figures), *_of_health(node.health), _no_local(node.catalogue)]
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
    text = "When a change last began to wait for the kernel, seconds of the epoch."
    yield GaugeMetricFamily(f"{KUBE_PROXY}_last_queued_timestamp_seconds", text, value=figures.last_change)
    for name, kind in (("endpoint", "EndpointSlice"), ("service", "Service")):
        changes = figures.changes[kind]
        yield CounterMetricFamily(f"{KUBE_PROXY}_{name}_changes", f"Changes of {kind}s.", value=changes)
        text, pending = f"Changes of {kind}s that are not in the kernel yet.", figures.pending[kind]
        yield GaugeMetricFamily(f"{KUBE_PROXY}_{name}_changes_pending", text, value=pending)
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


def _of_health(health: ProxyHealth) -> Iterator[Metric]:
    for path in ("healthz", "livez"):
        text = f"Answers of /{path}, by status."
        family = CounterMetricFamily(f"kubeproxy_proxy_{path}", text, labels=["code"])
        for (asked, status), count in sorted(health.answers.copy().items()):
            if asked == f"/{path}":
                family.add_metric([str(status)], count)
        yield family


def _no_local(catalogue: Catalogue) -> Metric:
    """Return how many services' ports have endpoints and, by a policy Local, none for some clients here."""
    counts = {"internal": 0, "external": 0}
    for name, service in catalogue.services.items():
        policies = {
            "internal": service.is_local_inside,
            "external": service.is_local_outside and service.type in EXTERNAL,
        }
        if any(policies.values()) and has_only_others(catalogue.slices_of(name), catalogue.node_name):
            for policy, is_local in policies.items():
                counts[policy] += len(service.ports) * is_local
    text = "Ports of services that have endpoints, but none on this node where the policy is Local."
    family = GaugeMetricFamily(f"{KUBE_PROXY}_no_local_endpoints_total", text, labels=["traffic_policy"])
    for policy, count in counts.items():
        family.add_metric([policy], count)
    return family


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
