"""What Prometheus is told: as text, by TCP or a Unix socket, and whatever of it can be read."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from podwire.agent.metrics import AgentCollector, serving_metrics
from tests.agent.conftest import BRIDGE, Caller, no_descriptors_left, wait_until
from tests.calls import Container

LABELS = ("verb", "plugin", "code", "network", "pool", "le", "gauge")


@pytest.mark.parametrize("listen", ["127.0.0.1:9453", "unix:/run/podwire/metrics.sock", "[::1]:9453"])
def test_metrics_are_prometheus_text(caller: Caller, pod: Callable[[str], Container], listen: str) -> None:
    configure("net")
    caller.add(BRIDGE, pod("one"))
    with serving_metrics(listen, caller.server):
        text = _get(listen)

    seen = _values(text)
    assert seen["podwire_requests_total", "ADD", "bridge", "0"] == 1
    assert seen["podwire_request_seconds_count", "ADD", "bridge"] == 1
    assert seen["podwire_links",] == 1 and seen["podwire_nft_elements",] == 2
    assert seen["podwire_addresses_free", "net", "10.70.0.1-10.70.255.254"] == 65532
    assert seen["podwire_memory_bytes",] > 1 << 20


def test_a_gauge_that_fails_is_counted_and_the_others_are_served(caller: Caller) -> None:
    assert caller.ask("VERSION", BRIDGE, None).status == 0
    _scrape(caller)  # opens what stays open
    wait_until(caller.server.pool.is_idle)  # closes what does not

    with no_descriptors_left():
        broken = _values(_scrape(caller))
    whole = _values(_scrape(caller))

    assert broken["podwire_queue",] == 0 and broken["podwire_nft_elements",] == 0
    assert broken["podwire_requests_total", "VERSION", "bridge", "0"] == 1
    assert ("podwire_links",) not in broken and whole["podwire_links",] == 0
    for seen in (broken, whole):
        assert seen["podwire_gauge_failures_total", "links"] == 1
        assert seen["podwire_gauge_failures_total", "descriptors"] == 1


def test_a_network_that_cannot_be_counted_hides_no_other(
    caller: Caller, pod: Callable[[str], Container]
) -> None:
    for name in ("bad", "net"):
        configure(name)
    caller.add(BRIDGE, pod("one"))
    Path("/var/lib/cni/networks/bad/lock").mkdir(parents=True)

    seen = _values(_scrape(caller))

    assert seen["podwire_addresses_free", "net", "10.70.0.1-10.70.255.254"] == 65532
    assert seen["podwire_gauge_failures_total", "addresses_free"] == 1


def configure(name: str) -> None:
    """Write a network's configuration where runtimes look for it."""
    folder = Path("/etc/cni/net.d")
    folder.mkdir(exist_ok=True)
    body = {"cniVersion": "1.0.0", "name": name, "plugins": [BRIDGE]}
    (folder / f"10-{name}.conflist").write_text(json.dumps(body))


def _scrape(caller: Caller) -> str:
    registry = CollectorRegistry()
    registry.register(AgentCollector(caller.server))
    return generate_latest(registry).decode()


def _values(text: str) -> dict[tuple[str, ...], float]:
    """Return what a scrape says: values by name and labels."""
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _get(listen: str) -> str:
    is_unix = listen.startswith("unix:")
    family = socket.AF_UNIX if is_unix else socket.AF_INET6 if "[" in listen else socket.AF_INET
    host, _, port = listen.rpartition(":")
    with socket.socket(family) as one:
        one.connect(listen.removeprefix("unix:") if is_unix else (host.strip("[]"), int(port)))
        one.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        data = b"".join(iter(lambda: one.recv(1 << 16), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200") and b"text/plain" in head
    return body.decode()
