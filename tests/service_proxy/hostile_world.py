"""A healthy service with a real client, and a loop that is told whatever a test says."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from service_proxy.catalogue import Event, Kind, Listed
from service_proxy.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Service,
    ServiceName,
    ServicePort,
    SliceName,
)
from service_proxy.node import ServiceNode
from service_proxy.settings import ProxySettings
from service_proxy.sources.refusals import Condition
from service_proxy.sources.source import Source
from tests.service_proxy.world import (
    pod,
    running,
    service,
)

VIP, POD = "10.96.0.5", "10.244.0.5"
WEB = service("web", VIP)
ONE = pod("web-1", POD, app="web")
FAR = 1_000  # characters of all that is said of one object
HUGE = "x" * 1_000_000
NAME = ServiceName("default", "web")


class Client:
    """A server on the healthy service's pod, and a client of its ClusterIP."""

    def __init__(self) -> None:
        for words in (f"addr add {POD}/32 dev lo", "route add 10.96.0.0/12 dev lo"):
            subprocess.run(["ip", *words.split()], check=True)
        self.server = socket.create_server((POD, 8080))
        self.server.settimeout(30)

    def is_served(self, address: str = VIP, port: int = 80) -> bool:
        """Connect, and tell whether a word arrives."""
        with socket.create_connection((address, port), timeout=30) as client:
            client.sendall(b"hello")
            with self.server.accept()[0] as served:
                return served.recv(5) == b"hello"


def said(node: ServiceNode) -> list[str]:
    """Return all conditions, in words."""
    own = [f"{one['name']} {one['about']} {one['message']}" for one in node.conditions.as_json()]
    return own + [f"{one.name} {one.about} {one.message}" for one in node.source.conditions()]


class Told:
    """A feed that says what a test tells it."""

    name = "the test"

    def __init__(self, *events: Event) -> None:
        self._events: SimpleQueue[Sequence[Event]] = SimpleQueue()
        self._events.put(events)

    def tell(self, *events: Event) -> None:
        """Have it say more."""
        self._events.put(events)

    def next(self, timeout: float) -> Sequence[Event]:
        """Return what was told, once."""
        try:
            return self._events.get(timeout=timeout)
        except Empty:
            return ()

    def conditions(self) -> Sequence[Condition]:
        """Return nothing."""
        return ()

    def close(self) -> None:
        """End a wait."""
        self._events.put(())


def at(number: int, base: int = 0x0AF40000) -> bytes:
    """Return an address of the pods'."""
    return (base + number).to_bytes(4, "big")


def sound(name: ServiceName = NAME, vip: bytes = socket.inet_aton(VIP)) -> tuple[Service, EndpointSlice]:
    """Return a service that the client's server is behind."""
    made = Service(name, ports=(ServicePort("", "tcp", 80, 0, 8080),), cluster_ips=(vip,))
    ends = (Endpoint(socket.inet_aton(POD), node="one"),)
    return made, slice_of(name, ends)


def slice_of(
    name: ServiceName, ends: Sequence[Endpoint], suffix: object = 0, port: int = 8080
) -> EndpointSlice:
    """Return a slice of a service."""
    slice_name = SliceName(name.namespace, f"{name.name}-{suffix}")
    return EndpointSlice(slice_name, name, 4, (EndpointPort("", "tcp", port),), tuple(ends))


@contextmanager
def told(services: Sequence[Service], slices: Sequence[EndpointSlice]) -> Iterator[tuple[ServiceNode, Told]]:
    """Run a loop on objects as they come out of a source."""
    feed = Told(
        Listed(Kind.SERVICE, {one.name: one for one in services}),
        Listed(Kind.SLICE, {one.name: one for one in slices}),
    )
    chosen = ProxySettings.model_validate({"node": "one"})
    kinds = frozenset({Kind.SERVICE, Kind.SLICE})
    with running(ServiceNode(chosen, lambda _: Source("told", kinds, [feed]))) as node:
        yield node, feed
