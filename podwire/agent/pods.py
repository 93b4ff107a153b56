"""The runner, with what the rest of the agent knows: the overlay's subnet, name servers, services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pod_runner.node.service_variables import service_variables
from podwire.agent.addresses import name_servers
from podwire.agent.overlay import OverlayService
from podwire.agent.runner import Runner
from podwire.agent.services import Services
from podwire.agent.settings import Settings


@contextmanager
def running_pods(
    settings: Settings, overlay: OverlayService | None, services: Services | None
) -> Iterator[Runner]:
    """Run pods while the block runs; they go on after it. Raises CniError for settings that cannot be."""

    def pod_cidrs() -> tuple[str, ...]:
        if overlay is None:
            return ()
        node = overlay.node
        with node.lock:
            standing = node.tenancy.standing
            return tuple(str(one) for one in standing.place.subnets) if standing is not None else ()

    def variables(namespace: str) -> dict[str, str]:
        if services is None:
            return {}
        node = services.node
        with node.lock:
            return service_variables(list(node.catalogue.services.values()), namespace)

    runner = Runner(
        settings.runner,
        proxy_source=settings.proxy.source if settings.proxy.enabled else "",
        cluster_dns=name_servers(settings),
        pod_cidrs=pod_cidrs,
        services=variables,
    )
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()
