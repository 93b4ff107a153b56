"""What happened so far, for Prometheus: text on a loopback port or a Unix socket, where configured."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn, UnixStreamServer
from threading import BoundedSemaphore, Thread
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from cni_spec.errors import IO_FAILURE, CniError
from ipam.kept import KeptIndexes
from podwire.agent.counters import BUCKETS, Counters, Duration
from podwire.agent.gauges import count_elements, count_links, free_addresses, host_local_networks
from podwire.agent.server import Server
from podwire.agent.status import process_facts
from podwire.commands.failing import FORESEEN

CALLERS = 8  # at once; a scraper is one

Sample = tuple[list[str], float]  # the labels' values, and the number

log = logging.getLogger("podwire.agent")


class AgentCollector(Collector):
    """The metrics of one agent, made when somebody asks."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        seen = self._server.counters.snapshot()
        yield _requests(seen)
        yield _durations(seen)
        yield _labelled("podwire_rejected", "Callers that were turned away.", "reason", seen.rejected)
        yield from self._gauges()
        failures = self._server.counters.snapshot().gauge_failures
        yield _labelled("podwire_gauge_failures", "Gauges that could not be read.", "gauge", failures)

    def _gauges(self) -> Iterator[Metric]:
        pool, memory = self._server.pool, self._server.serving.memory
        for name, text, read in (
            ("queue", "Requests that no thread has begun with.", lambda: pool.waiting),
            ("busy", "Requests at work.", lambda: pool.busy),
            ("links", "Links of the host that belong to attachments.", count_links),
            ("nft_elements", "Elements of podwire's nft tables.", lambda: count_elements(memory.host)),
            ("memory_bytes", "Resident memory of the agent.", lambda: process_facts()["memory"]),
            ("descriptors", "Open descriptors.", lambda: process_facts()["descriptors"]),
        ):
            yield _gauge(name, text, (), self._read(name, partial(_alone, read)))
        free = self._read("addresses_free", partial(self._free_addresses, memory.indexes))
        yield _gauge("addresses_free", "Addresses left.", ("network", "pool"), free)

    def _free_addresses(self, indexes: KeptIndexes) -> Iterator[Sample]:
        for config in host_local_networks():
            yield from self._read("addresses_free", partial(free_addresses, config, indexes))

    def _read(self, gauge: str, read: Callable[[], Iterable[Sample]]) -> list[Sample]:
        """Return a gauge's samples; none if it fails: that is counted, and the others are served."""
        try:
            return list(read())
        except FORESEEN as error:
            log.info("the gauge %s cannot be read: %s", gauge, error)
            self._server.counters.fail_gauge(gauge)
            return []


def _alone(read: Callable[[], float]) -> list[Sample]:
    """Return what a gauge without labels has."""
    return [([], read())]


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(f"podwire_{name}", text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _requests(seen: Counters) -> Metric:
    family = CounterMetricFamily(
        "podwire_requests", "Requests by their outcome: a CNI error code, 0 for success.",
        labels=["verb", "plugin", "code"],
    )  # fmt: skip
    for (verb, plugin, code), number in seen.requests.items():
        family.add_metric([verb, plugin, str(code)], number)
    return family


def _durations(seen: Counters) -> Metric:
    family = HistogramMetricFamily(
        "podwire_request_seconds", "How long requests took in the agent.", labels=["verb", "plugin"]
    )
    for (verb, plugin), duration in seen.durations.items():
        family.add_metric([verb, plugin], _buckets(duration), duration.total)
    return family


def _buckets(duration: Duration) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), duration.counts, strict=True):
        total += number
        found.append((bound, float(total)))
    return found


def _labelled(name: str, text: str, label: str, numbers: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family


class _Bounded(ThreadingMixIn):
    """A thread a caller, and no more than a few: a port of loopback is every user's to call."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._free = BoundedSemaphore(CALLERS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve, or hang up if too many are being served."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[attr-defined]
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve in a thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of a scrape that failed, as of anything else here."""
        log.info("a scrape of the metrics failed", exc_info=True)


class _TcpServer(_Bounded, TCPServer):
    allow_reuse_address = True


class _Tcp6Server(_TcpServer):
    address_family = socket.AF_INET6


class _UnixServer(_Bounded, UnixStreamServer):
    def server_close(self) -> None:
        """Close, and let nobody call where nobody is."""
        super().server_close()
        Path(str(self.server_address)).unlink(missing_ok=True)


@contextmanager
def serving_metrics(listen: str, server: Server, *more: Collector) -> Iterator[None]:
    """Serve GET /metrics in a thread of its own while the block runs. `listen` as in `settings`."""
    registry = CollectorRegistry()
    for collector in (AgentCollector(server), *more):
        registry.register(collector)
    with _open(listen, _handler(registry)) as http:
        Thread(target=http.serve_forever, name="metrics", daemon=True).start()
        try:
            yield
        finally:
            http.shutdown()


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0  # seconds for a caller to say what it wants

        def do_GET(self) -> None:
            if self.path.partition("?")[0] not in ("/metrics", "/"):
                self.send_error(404)
                return
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "local"  # a Unix socket's peer has no address

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    return Handler


def _open(listen: str, handler: type[BaseHTTPRequestHandler]) -> TCPServer:
    try:
        if listen.startswith("unix:"):
            return _open_unix(Path(listen.removeprefix("unix:")), handler)
        host, _, port = listen.rpartition(":")
        made = _Tcp6Server if ":" in host else _TcpServer
        return made((host.strip("[]"), int(port)), handler)
    except OSError as error:
        reason = error.strerror or error
        raise CniError(IO_FAILURE, f"metrics cannot be served at {listen}: {reason}") from error


def _open_unix(path: Path, handler: type[BaseHTTPRequestHandler]) -> TCPServer:
    if path.is_socket():  # a killed agent's: this one alone holds the agent's lock
        path.unlink()
    return _UnixServer(str(path), handler)
