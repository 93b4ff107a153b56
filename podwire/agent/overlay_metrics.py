"""The overlay's figures for Prometheus. Nothing by peer: 5,000 nodes would make 25 million series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from overlay.figures import BUCKETS, Histogram
from overlay.reporting import status
from podwire.agent.overlay import OverlayService

STATES = ("desired", "programmed", "refused", "suspect", "silent")


class OverlayCollector(Collector):
    """The metrics of one node's overlay, made when somebody asks."""

    def __init__(self, service: OverlayService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        node = self._service.node
        body = status(node)
        peers = body.get("peers")
        if isinstance(peers, dict):
            counted = {state: float(peers[state]) for state in STATES}
            yield _gauge("overlay_peers", "Leases of other nodes.", "state", counted.items())
            yield _counter("overlay_probes", "Questions to other nodes.", float(peers["asked"]))
            yield _counter("overlay_probe_answers", "Answers of other nodes.", float(peers["answered"]))
        with node.lock:
            conditions = [str(one["name"]) for one in node.conditions.as_json()]
            pool = node.tenancy.conf.pool(node.tenancy.conf.versions[0]).size if node.tenancy.conf else 0
            taken = len(node.peers.records) if node.tenancy.standing else 0
            figures = node.figures
            passes, changes = dict(figures.passes), figures.changes
        counts = [(name, float(conditions.count(name))) for name in sorted(set(conditions))]
        yield _gauge("overlay_conditions", "What is not as it should be.", "condition", counts)
        yield _gauge("overlay_ready", "Whether pods may come.", "", [("", float(node.is_ready))])
        yield _gauge("overlay_leases_free", "Subnets nobody has.", "", [("", float(max(0, pool - taken)))])
        yield _counter("overlay_changes", "Entries of the kernel that were made or removed.", float(changes))
        family = CounterMetricFamily(
            "podwire_overlay_passes", "Looks at peers, all or some.", labels=["kind"]
        )
        for kind, number in passes.items():
            family.add_metric([kind], number)
        yield family
        yield from self._histograms()

    def _histograms(self) -> Iterator[Metric]:
        figures = self._service.node.figures
        text = "From a record's arrival to its entries in the kernel."
        yield _histogram("overlay_convergence_seconds", text, "", [("", figures.convergence)])
        yield _histogram("overlay_round_trip_seconds", "Of probes.", "", [("", figures.round_trips)])
        asked = list(figures.registry.items())
        yield _histogram("overlay_registry_seconds", "What the registry took.", "operation", asked)


def _gauge(name: str, text: str, label: str, samples: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"podwire_{name}", text, labels=[label] if label else [])
    for value, number in samples:
        family.add_metric([value] if label else [], number)
    return family


def _counter(name: str, text: str, number: float) -> Metric:
    return CounterMetricFamily(f"podwire_{name}", text, value=number)


def _histogram(name: str, text: str, label: str, samples: Iterable[tuple[str, Histogram]]) -> Metric:
    family = HistogramMetricFamily(f"podwire_{name}", text, labels=[label] if label else [])
    for value, one in samples:
        total, buckets = 0, []
        for bound, number in zip((*map(str, BUCKETS), "+Inf"), one.counts, strict=True):
            total += number
            buckets.append((bound, float(total)))
        family.add_metric([value] if label else [], buckets, one.sum)
    return family
