"""Services, slices and endpoints for tests: short ways to make one."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace

from service_proxy.catalogue import Catalogue, Changed, Kind
from service_proxy.front_ends import Context
from service_proxy.model import (
    Address,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Hints,
    Service,
    ServiceName,
    ServicePort,
    SliceName,
)

HERE, ZONE = "node-1", "zone-a"
CONTEXT = Context(node=HERE, zone=ZONE)
WEB = ServiceName("default", "web")
HTTP = ServicePort("http", "tcp", 80)


def ip(text: str) -> Address:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def ips(*texts: str) -> tuple[Address, ...]:
    return tuple(map(ip, texts))


def service(name: ServiceName = WEB, **members: object) -> Service:
    """Return a service with port http, 80, at 10.96.0.10."""
    base = Service(name, ports=(HTTP,), cluster_ips=ips("10.96.0.10"))
    return replace(base, **members)  # type: ignore[arg-type]  # members are what a test says


def endpoint(
    address: str,
    conditions: str = "ready",
    node: str = "node-2",
    *,
    zones: Iterable[str] = (),
    nodes: Iterable[str] = (),
    pod: str = "",
) -> Endpoint:
    """Return an endpoint; `conditions`: ready, unready, terminating (and serving), or gone."""
    ready, serving, terminating = {
        "ready": (True, True, False),
        "unready": (False, False, False),
        "terminating": (False, True, True),
        "gone": (False, False, True),
    }[conditions]
    hints = Hints(tuple(zones), tuple(nodes)) if zones or nodes else None
    return Endpoint(ip(address), ready, serving, terminating, node, hints=hints, pod=pod)


def endpoint_slice(
    *endpoints: Endpoint, of: ServiceName = WEB, name: str = "a", port: int = 8080, **members: object
) -> EndpointSlice:
    """Return a slice of port http."""
    family = 4 if all(len(one.address) == 4 for one in endpoints) else 6
    base = EndpointSlice(
        SliceName(of.namespace, f"{of.name}-{name}"),
        of,
        family,
        (EndpointPort("http", "tcp", port),),
        endpoints,
    )
    return replace(base, **members)  # type: ignore[arg-type]  # members are what a test says


def tell(catalogue: Catalogue, *values: Service | EndpointSlice) -> None:
    """Let a catalogue know of values."""
    for value in values:
        kind = Kind.SERVICE if isinstance(value, Service) else Kind.SLICE
        catalogue.take(Changed(kind, value.name, value))
