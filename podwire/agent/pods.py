"""The runner with what the rest of the agent knows: the overlay's subnet, the DNS server, services' addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from linuxnet.packed import text_of
from pod_runner.node.service_variables import service_variables
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
        cluster_dns=_name_servers(settings),
        pod_cidrs=pod_cidrs,
        services=variables,
    )
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def _name_servers(settings: Settings) -> tuple[str, ...]:
    """Return where the DNS server of this node answers, () without one."""
    if not settings.dns.enabled:
        return ()
    from service_proxy.dns.opening import addresses_of  # loaded by the server itself by now

    return tuple(text_of(one) for one in addresses_of(settings.dns, settings.proxy))
