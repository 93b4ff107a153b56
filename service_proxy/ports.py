"""Ports that this process answers for services: health checks of load balancers, NodePorts on localhost."""

from __future__ import annotations

from collections.abc import Iterator

from cluster_store.conditions import Conditions
from service_proxy.background import Background
from service_proxy.health import ProxyHealth, answering
from service_proxy.health_http import open_listener, serve
from service_proxy.health_ports import HealthPorts
from service_proxy.localhost import LocalhostPorts, LocalPort
from service_proxy.model import ServiceName
from service_proxy.settings import ProxySettings, split_listen
from service_proxy.wanted import Wanted

CONDITION = "HealthzTaken"


class Ports:
    """What is open; for the loop's thread, in whose network namespace it is. Nothing before `open`."""

    def __init__(self, settings: ProxySettings, conditions: Conditions, health: ProxyHealth) -> None:
        self._settings, self._conditions, self._health = settings, conditions, health
        self._background = Background()
        self._checks = HealthPorts(self._background, conditions, lambda: health.is_healthy)
        self._local = LocalhostPorts(self._background, conditions)
        self._local_of: dict[ServiceName, frozenset[LocalPort]] = {}
        self._is_open = self._is_answering = False

    def open(self) -> None:
        """Begin, with the proxy's own health."""
        self._background.start()
        self._is_open = True
        self._open_healthz()

    def note(self, name: ServiceName, wanted: Wanted) -> None:
        """Open and close what a service needs now."""
        if wanted.health is not None:
            self._checks.set(name, wanted.health.port, wanted.health.local_ready)
        else:
            self._checks.drop(name)
        if "localhost" in self._settings.nodeport_addresses:
            self._note_local(name, wanted)

    def retry(self) -> None:
        """Try what was taken again."""
        self._open_healthz()
        self._checks.retry()
        self._local.retry()

    def close(self) -> None:
        """Close everything."""
        if self._is_open:
            self._checks.close()
            self._local.close()
            self._background.stop()

    def _open_healthz(self) -> None:
        """Answer for the proxy's own health, if nobody does: another proxy may be about to end there."""
        if not self._settings.healthz or self._is_answering:
            return
        address, port = split_listen(self._settings.healthz)
        try:
            listener = open_listener(address, port)
        except OSError as error:
            self._conditions.tell(CONDITION, f"{self._settings.healthz}: {error.strerror}")
        else:
            self._background.wait(serve(listener, answering(self._health)))
            self._is_answering = True
            self._conditions.tell(CONDITION, "")

    def _note_local(self, name: ServiceName, wanted: Wanted) -> None:
        now = dict(_local_ports(wanted))
        for port in self._local_of.pop(name, frozenset()) - now.keys():
            self._local.drop(port)
        for port, targets in now.items():
            self._local.set(port, targets)
        if now:
            self._local_of[name] = frozenset(now)


def _local_ports(wanted: Wanted) -> Iterator[tuple[LocalPort, list[tuple[bytes, int]]]]:
    """Yield the NodePorts of a service; who is on this node gets the cluster's list."""
    for one in wanted.backends:
        if one.port.node_port:
            yield LocalPort(one.family, one.port.protocol, one.port.node_port), list(one.cluster)
