"""Sources by the settings: where services come from, and who gives addresses where no API server does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cluster_store.conditions import Conditions
from cluster_store.opening import StoreOptions, open_store, prefix_of
from cluster_store.store import StoreRefused
from service_proxy.allocation import Allocation
from service_proxy.balancing.balancing import Balancing
from service_proxy.balancing.speaker import TTL
from service_proxy.catalogue import Catalogue
from service_proxy.claims import Ledger, StoreLedger
from service_proxy.claims_file import FileLedger
from service_proxy.ranges import Ranges
from service_proxy.settings import ProxySettings, SourceSettings
from service_proxy.sources.filling import Filling
from service_proxy.sources.opening import directory_source, store_source
from service_proxy.sources.source import Source

if TYPE_CHECKING:
    from cluster_store.kubernetes_access import Access

CLAIMS = "claims"  # of [proxy] state: what was given, where services lie in a folder


@dataclass(frozen=True)
class Names:
    """What DNS needs beside what a proxy does: of an API server it is asked for only then."""

    are_served: bool = False
    verifies_pods: bool = False  # [dns] pods = "verified"
    searches: bool = False  # [dns] autopath


NO_NAMES = Names()


def opener(
    settings: SourceSettings, proxy: ProxySettings, names: Names = NO_NAMES
) -> Callable[[Conditions], Source]:
    """Return what opens the source of some settings; `proxy` has the ranges that addresses come from."""
    return lambda conditions: open_services(settings, proxy, conditions, names)


def open_services(
    settings: SourceSettings, proxy: ProxySettings, conditions: Conditions, names: Names = NO_NAMES
) -> Source:
    """Return the source; it is not asked anything yet.

    Raises:
        StoreRefused: it is none, or a file that is needed for it cannot be used.
    """
    if settings.is_kubernetes:
        return _open_kubernetes(settings, proxy, names)
    if settings.source.startswith("/"):
        ledger: Ledger = FileLedger(Path(proxy.state) / CLAIMS)
        return directory_source(Path(settings.source), [_filling(ledger, proxy, conditions)])
    prefix = f"{prefix_of(settings.source)}{settings.prefix}"
    store = open_store(settings.source, options_of(settings))
    claims = open_store(settings.source, options_of(settings))  # for the loop's thread, which asks it
    return store_source(store, prefix, [_filling(StoreLedger(claims, prefix), proxy, conditions)])


def open_balancing(
    proxy: ProxySettings, catalogue: Catalogue, conditions: Conditions, ttl: int = TTL
) -> Balancing | None:
    """Return what announces the addresses of load balancers, None where there are no pools.

    Nodes agree by the store that services lie in. Where they lie in a folder this machine is all there is.
    With an API server nodes agree by Leases, and one of them writes services' status.

    Raises:
        StoreRefused: the store is none.
    """
    if not proxy.load_balancer_pools:
        return None
    if proxy.is_kubernetes:
        return _kubernetes_balancing(proxy, catalogue, conditions, ttl)
    is_folder = proxy.source.startswith("/")
    url = f"directory:{Path(proxy.state) / 'nodes'}" if is_folder else proxy.source
    prefix = proxy.prefix if is_folder else f"{prefix_of(proxy.source)}{proxy.prefix}"
    store = open_store(url, options_of(proxy))
    return Balancing(catalogue, store, prefix, proxy.load_balancer_pools, conditions, ttl=ttl)


def options_of(settings: SourceSettings) -> StoreOptions:
    """Return what a store's URL does not say."""
    return StoreOptions(
        ca=_path(settings.ca_file), certificate=_path(settings.cert_file), key=_path(settings.key_file),
        user=settings.user, password_file=_path(settings.password_file),
    )  # fmt: skip


def _filling(ledger: Ledger, proxy: ProxySettings, conditions: Conditions) -> Filling:
    ranges = Ranges(proxy.service_cidrs, proxy.node_port_range, proxy.load_balancer_pools)
    return Filling(Allocation(ledger, ranges, conditions))


def _kubernetes_balancing(
    proxy: ProxySettings, catalogue: Catalogue, conditions: Conditions, ttl: int
) -> Balancing:
    from cluster_store.kubernetes import KubernetesClient
    from cluster_store.kubernetes_leases import LeaseStore
    from service_proxy.balancing.giver import Giver

    access, pools = _access(proxy), proxy.load_balancer_pools
    store = LeaseStore(access, proxy.lease_namespace, catalogue.node_name)
    giver = Giver(KubernetesClient(access), Ranges((), pools=pools, is_all=False), conditions)
    return Balancing(catalogue, store, "", pools, conditions, giver, ttl)


def _open_kubernetes(settings: SourceSettings, proxy: ProxySettings, names: Names) -> Source:
    from service_proxy.sources.kubernetes import Pods, Wanted, kubernetes_source  # ssl, where it is asked for

    access = _access(settings)
    pods = Pods.ALL if names.verifies_pods else Pods.OF_NODE if names.searches else Pods.NONE
    return kubernetes_source(access, Wanted(settings.node_name, proxy.name, names.are_served, pods))


def _access(settings: SourceSettings) -> Access:
    """Return how the API server is reached. Raises StoreRefused."""
    from cluster_store.kubernetes_access import access_by_kubeconfig, access_in_cluster

    access = access_by_kubeconfig(Path(settings.kubeconfig)) if settings.kubeconfig else access_in_cluster()
    if settings.api_server:
        url = urlsplit(settings.api_server)
        if not url.hostname or url.scheme not in ("http", "https"):
            raise StoreRefused(f"api_server {settings.api_server!r}: expected https://HOST:PORT")
        port = url.port or (443 if url.scheme == "https" else 80)
        access = replace(access, where=settings.api_server, host=url.hostname, port=port)
    return access


def _path(text: str) -> Path | None:
    return Path(text) if text else None
