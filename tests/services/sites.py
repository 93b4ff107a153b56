"""Sites for each source: directory of files, and an API server in trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import places
from tests.services.api_registry import ApiRegistry
from tests.services.proxy_process import HEALTH_PORT, ProxyProcess
from tests.services.registries import DirectoryRegistry, Registry
from tests.services.servers import Servers
from tests.services.site import Site

DIRECTORY, KUBERNETES = "directory", "kubernetes"
SOURCES = (DIRECTORY, KUBERNETES)
SETTINGS = {
    "node": places.NODE_NAME,
    "pods": list(places.POD_CIDRS.values()),
    "service_cidrs": list(places.SERVICE_CIDRS.values()),
    "external_ips": ["203.0.113.0/25", "2001:db8:113::/112"],
    "nodeport_addresses": ["all"],
    "node_ports": "8000-32767",
    "healthz": f"0.0.0.0:{HEALTH_PORT}",
}


@contextmanager
def make_site(source: str, folder: Path) -> Iterator[Site]:
    """Make the machines, the servers, the registry and a proxy that runs; remove them afterwards."""
    where = places.Places(source[0])
    servers = Servers()
    registry, more = _registry(source, where, folder)
    settings = SETTINGS | {"source": registry.source, "state": str(folder / "state")} | more
    proxy = ProxyProcess(where.node, folder, settings)
    site = Site(source, registry, where, servers, proxy)
    try:
        site.begin()
        yield site
    finally:
        proxy.end()
        registry.end()
        servers.end()
        where.end()


def _registry(source: str, where: places.Places, folder: Path) -> tuple[Registry, dict[str, str]]:
    """Return a registry, and how the proxy reaches it."""
    if source == DIRECTORY:
        return DirectoryRegistry(folder / "services"), {}
    server = ApiRegistry(where.node, folder)
    return server, {"kubeconfig": str(server.kubeconfig)}
