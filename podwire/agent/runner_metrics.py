"""Pods' figures for Prometheus under cAdvisor's names: dashboards go on. `container` "" is the whole pod."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pod_runner.kernel.cgroup_files import Usage
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.reporting import status, usages
from pod_runner.node.stats import InterfaceUsage, PodUsage
from podwire.agent.runner import Runner

BILLION = 1e9  # nanoseconds in a second
LABELS = ("namespace", "pod", "container")
# cAdvisor's name (without _total for counters), text, and how to read it
COUNTERS: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
    ("container_cpu_usage_seconds", "CPU time used.", lambda one: one.cpu_ns / BILLION),
    (
        "container_cpu_cfs_throttled_seconds",
        "Time for want of quota.",
        lambda one: one.throttled_ns / BILLION,
    ),
    ("container_fs_reads_bytes", "Bytes read.", lambda one: one.io_read_bytes),
    ("container_fs_writes_bytes", "Bytes written.", lambda one: one.io_write_bytes),
)
GAUGES: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
    ("container_memory_usage_bytes", "Memory, page cache and all.", lambda one: one.memory_bytes),
    (
        "container_memory_working_set_bytes",
        "Memory that cannot be given back.",
        lambda one: one.memory_working_set,
    ),
    ("container_processes", "Processes and threads.", lambda one: one.pids),
)
NETWORK: tuple[tuple[str, str, Callable[[InterfaceUsage], float]], ...] = (
    ("receive_bytes", "Bytes received.", lambda one: one.received),
    ("receive_packets", "Packets received.", lambda one: one.received_packets),
    ("receive_errors", "Errors while receiving.", lambda one: one.receive_errors),
    ("receive_packets_dropped", "Packets dropped while receiving.", lambda one: one.receive_drops),
    ("transmit_bytes", "Bytes sent.", lambda one: one.sent),
    ("transmit_packets", "Packets sent.", lambda one: one.sent_packets),
    ("transmit_errors", "Errors while sending.", lambda one: one.send_errors),
    ("transmit_packets_dropped", "Packets dropped while sending.", lambda one: one.send_drops),
)


class RunnerCollector(Collector):
    """The metrics of the pods of one node, measured when somebody asks."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._cgroups = Cgroups.detect()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        node = self._runner.node
        measured = usages(node, self._cgroups)
        for name, text, read in COUNTERS:
            family = CounterMetricFamily(name, text, labels=LABELS)
            yield _filled(family, measured, read)
        for name, text, read in GAUGES:
            yield _filled(GaugeMetricFamily(name, text, labels=LABELS), measured, read)
        yield from _network(measured)
        body = status(node)
        for key, text in (("pods", "Pods that are here."), ("wanted", "Pods that are wanted here."),
                          ("supervised", "Pods that have a supervisor."),
                          ("unwritten", "Reports that the store has not taken yet.")):  # fmt: skip
            yield GaugeMetricFamily(f"podwire_runner_{key}", text, value=float(str(body[key])))
        yield _conditions(node.conditions.as_json())


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily, measured: list[PodUsage], read: Callable[[Usage], float]
) -> Metric:
    for pod in measured:
        for container, usage in {"": pod.total, **pod.containers}.items():
            family.add_metric([pod.namespace, pod.name, container], read(usage))
    return family


def _network(measured: list[PodUsage]) -> Iterator[Metric]:
    for name, text, read in NETWORK:
        family = CounterMetricFamily(
            f"container_network_{name}", text, labels=("namespace", "pod", "interface")
        )
        for pod in measured:
            for interface in pod.interfaces:
                family.add_metric([pod.namespace, pod.name, interface.name], read(interface))
        yield family


def _conditions(told: list[dict[str, object]]) -> Metric:
    text = "What is not as it should be."
    family = GaugeMetricFamily("podwire_runner_conditions", text, labels=["condition"])
    names = [str(one["name"]) for one in told]
    for name in sorted(set(names)):
        family.add_metric([name], names.count(name))
    return family
