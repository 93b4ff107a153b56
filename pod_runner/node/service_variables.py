"""The variables that kubelet sets for services: WEB_SERVICE_HOST and so on, and Docker's of old. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from linuxnet.packed import text_of
from service_proxy.model import Service


def service_variables(services: Iterable[Service], namespace: str) -> dict[str, str]:
    """Return those of all services of a namespace that have an address (kubelet: envvars.FromServices)."""
    found: dict[str, str] = {}
    for service in services:
        if service.name.namespace == namespace and service.cluster_ips and service.ports:
            found |= dict(_variables(service))
    return found


def _variables(service: Service) -> Iterator[tuple[str, str]]:
    prefix = service.name.name.upper().replace("-", "_")
    host = text_of(service.cluster_ips[0])
    shown = f"[{host}]" if ":" in host else host
    first = service.ports[0]
    yield f"{prefix}_SERVICE_HOST", host
    yield f"{prefix}_SERVICE_PORT", str(first.port)
    for port in service.ports:
        if port.name:
            yield f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}", str(port.port)
    yield f"{prefix}_PORT", f"{first.protocol}://{shown}:{first.port}"
    for port in service.ports:
        link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        yield link, f"{port.protocol}://{shown}:{port.port}"
        yield f"{link}_PROTO", port.protocol
        yield f"{link}_PORT", str(port.port)
        yield f"{link}_ADDR", host
