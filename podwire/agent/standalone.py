"""Proxy and DNS with their metrics; and without the agent: until told to stop, and asked by a socket."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cni_spec.errors import IO_FAILURE, CniError
from podwire.agent.asking import answering
from podwire.agent.notify import notify
from podwire.agent.protocol import SERVICES
from podwire.agent.services import Services
from podwire.agent.services_metrics import ServicesCollector
from service_proxy.background import Background
from service_proxy.health_http import NOT_FOUND, HttpAnswer, open_listener, serve
from service_proxy.settings import DnsSettings, ProxySettings, split_listen

SOCKET, DNS_SOCKET = Path("/run/podwire/services.sock"), Path("/run/podwire/dns.sock")  # they may be two
MODE = "nftables"  # what kube-proxy calls what this does


def run_services(proxy: ProxySettings, dns: DnsSettings, socket: Path = SOCKET) -> None:
    """Serve until SIGTERM or SIGINT; what is in the kernel stays.

    Raises:
        CniError: the settings name what cannot be, or a port for metrics is taken.
    """
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with running_services(proxy, dns) as services, answering(socket, {SERVICES: services.answer}):
        notify("READY=1")
        stopped.wait()
        notify("STOPPING=1")


@contextmanager
def running_services(proxy: ProxySettings, dns: DnsSettings) -> Iterator[Services]:
    """Serve while the block runs, with metrics where they are wanted. Raises as `run_services`."""
    services = Services(proxy, dns)
    with ExitStack() as stack:
        for listen in {one.metrics for one in (proxy, dns) if one.enabled and one.metrics}:
            stack.enter_context(serving_metrics(listen, services, proxy))
        services.start()
        stack.callback(services.stop)
        yield services


@contextmanager
def serving_metrics(listen: str, services: Services, proxy: ProxySettings) -> Iterator[None]:
    """Serve /metrics, /proxyMode and /configz, as kube-proxy does; and probes, as CoreDNS does.

    /livez says that the process runs, /healthz and /ready that it does what it is for.

    Raises:
        CniError: the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(ServicesCollector(services))

    def answer(path: str) -> HttpAnswer:
        if path == "/metrics":
            body = generate_latest(registry).decode()
            return HttpAnswer(200, body, (("Content-Type", CONTENT_TYPE_LATEST),))
        if path == "/livez":
            return HttpAnswer(200, "ok")
        if path in ("/healthz", "/ready"):
            missing = services.missing()
            return HttpAnswer(503 if missing else 200, missing or "ok")
        if path == "/proxyMode":
            return HttpAnswer(200, MODE, (("Content-Type", "text/plain; charset=utf-8"),))
        if path == "/configz":
            return HttpAnswer(200, json.dumps({"podwire": proxy.model_dump(mode="json")}))
        return NOT_FOUND

    background = Background("services-metrics")
    background.start()
    try:
        try:
            listener = open_listener(*split_listen(listen))
        except OSError as error:
            raise CniError(IO_FAILURE, f"metrics cannot be served at {listen}: {error.strerror}") from error
        server: asyncio.Server = background.wait(serve(listener, answer))
        yield
        background.do(server.close)
    finally:
        background.stop()
