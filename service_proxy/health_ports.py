"""Health check NodePorts: on each an HTTP server that says how many endpoints of one service this node has.

External load balancers ask there before they send traffic of externalTrafficPolicy Local to a node. Status,
headers and body are kube-proxy's (pkg/proxy/healthcheck/service_health.go).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass

from cluster_store.conditions import Conditions
from service_proxy.background import Background
from service_proxy.health_http import JSON, NOT_SNIFFED, HttpAnswer, open_listener, serve
from service_proxy.model import ServiceName

CONDITION = "HealthPortTaken"


@dataclass
class _Port:
    """One service's port. Without servers it could not be opened."""

    node_port: int
    local_ready: int
    servers: list[asyncio.Server]


class HealthPorts:
    """The ports there are; used by one thread, the loop's, while the servers run in `background`.

    `is_healthy`: of the proxy itself. `addresses`: where to listen; "::" is everywhere.
    """

    def __init__(
        self,
        background: Background,
        conditions: Conditions,
        is_healthy: Callable[[], bool],
        addresses: Collection[str] = ("::",),
    ) -> None:
        self._background, self._conditions = background, conditions
        self._is_healthy, self._addresses = is_healthy, tuple(addresses)
        self._ports: dict[ServiceName, _Port] = {}

    def set(self, service: ServiceName, node_port: int, local_ready: int) -> None:
        """Have a service's port open, 0 for none, and say that so many ready endpoints are here."""
        seen = self._ports.get(service)
        if seen is not None and seen.node_port == node_port:
            seen.local_ready = local_ready
            return
        self.drop(service)
        if node_port:
            port = self._ports[service] = _Port(node_port, local_ready, [])
            self._open(service, port)

    def drop(self, service: ServiceName) -> None:
        """Close a service's port; none is fine. Whom it was in the way of is tried again."""
        gone = self._ports.pop(service, None)
        if gone is None:
            return
        self._conditions.tell(CONDITION, "", about=str(service))
        self._background.wait(_close(gone.servers))
        for name, other in self._ports.items():
            if other.node_port == gone.node_port:
                self._retry(name, other)

    def retry(self) -> None:
        """Try again to open what could not be opened; now and then, as others give ports back."""
        for service, port in self._ports.items():
            self._retry(service, port)

    def close(self) -> None:
        """Close all."""
        for service in list(self._ports):
            self.drop(service)

    def _retry(self, service: ServiceName, port: _Port) -> None:
        if not port.servers:
            self._open(service, port)

    def _open(self, service: ServiceName, port: _Port) -> None:
        def answer(_: str) -> HttpAnswer:
            return health_answer(service, port.local_ready, is_healthy=self._is_healthy())

        for address in self._addresses:
            try:
                sock = open_listener(address, port.node_port)
            except OSError as error:
                where = f"port {port.node_port} of {address}"
                text = f"healthCheckNodePort: {where} cannot be opened: {error.strerror}"
                self._conditions.tell(CONDITION, text, about=str(service))
                self._background.wait(_close(port.servers))
                port.servers = []
                return
            port.servers.append(self._background.wait(serve(sock, answer)))
        self._conditions.tell(CONDITION, "", about=str(service))


def health_answer(service: ServiceName, local_ready: int, *, is_healthy: bool) -> HttpAnswer:
    """Return what an external load balancer is told of a service."""
    body = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": local_ready,
        "serviceProxyHealthy": is_healthy,
    }
    weight = ("X-Load-Balancing-Endpoint-Weight", str(local_ready))
    status = 200 if local_ready and is_healthy else 503
    return HttpAnswer(status, json.dumps(body, indent="\t"), (JSON, NOT_SNIFFED, weight))


async def _close(servers: Collection[asyncio.Server]) -> None:
    for server in servers:
        server.close()  # those who are just being answered get their answer
