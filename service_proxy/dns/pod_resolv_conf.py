"""resolv.conf of a pod, as kubelet writes it (pkg/kubelet/network/dns/dns.go): pure.

A pod says `dnsPolicy` and `dnsConfig`; the node has its own file; the cluster has a DNS address and a zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from service_proxy.dns.resolv_conf import ResolvConf, merge_options

NAMESERVER_LIMIT = 3  # libresolv's MAXNS
SEARCH_LIMIT = 32  # paths
SEARCH_LENGTH = 2048  # characters of the whole list
PATH_LENGTH = 253  # characters of one path; glibc 2.28 aborts at 256
CLUSTER_OPTIONS = ("ndots:5",)


NOTHING = ResolvConf()


class DnsPolicy(Enum):
    """Where a pod's settings come from; `spec.dnsPolicy`."""

    CLUSTER_FIRST = "ClusterFirst"
    CLUSTER_FIRST_WITH_HOST_NET = "ClusterFirstWithHostNet"
    DEFAULT = "Default"  # the node's; not what a pod gets that says nothing
    NONE = "None"


@dataclass(frozen=True)
class PodDns:
    """What a pod says. `config` is its dnsConfig."""

    namespace: str
    policy: DnsPolicy = DnsPolicy.CLUSTER_FIRST
    has_host_network: bool = False
    config: ResolvConf = NOTHING


@dataclass(frozen=True)
class ClusterDns:
    """What the cluster says. `domain` without a dot at its end."""

    addresses: tuple[str, ...]
    domain: str = "cluster.local"


class Written(NamedTuple):
    """A pod's file, and what was left out of it, in words for its owner."""

    file: ResolvConf
    warnings: tuple[str, ...]


def pod_resolv_conf(pod: PodDns, cluster: ClusterDns, host: ResolvConf) -> Written:
    """Return a pod's resolv.conf. `host` is the node's."""
    base, warnings = _base(pod, cluster, host)
    merged = ResolvConf(
        _unique(base.nameservers + pod.config.nameservers),
        _unique(base.searches + pod.config.searches),
        merge_options(base.options, pod.config.options),
    )
    return _fit(merged, warnings)


def search_list(namespace: str, domain: str, host: tuple[str, ...]) -> tuple[str, ...]:
    """Return the search list of a pod of a namespace."""
    return _unique((f"{namespace}.svc.{domain}", f"svc.{domain}", domain, *host))


def _base(pod: PodDns, cluster: ClusterDns, host: ResolvConf) -> tuple[ResolvConf, list[str]]:
    if pod.policy is DnsPolicy.NONE:
        return NOTHING, []
    on_host = pod.policy is DnsPolicy.CLUSTER_FIRST and pod.has_host_network
    if pod.policy is DnsPolicy.DEFAULT or on_host:
        return host, []
    if not cluster.addresses:
        words = (
            f"dnsPolicy {pod.policy.value}: the cluster has no DNS address; the pod gets the node's servers"
        )
        return host, [words]
    searches = search_list(pod.namespace, cluster.domain, host.searches)
    return ResolvConf(cluster.addresses, searches, CLUSTER_OPTIONS), []


def _fit(file: ResolvConf, warnings: list[str]) -> Written:
    """Cut what libresolv would not read."""
    nameservers = file.nameservers[:NAMESERVER_LIMIT]
    if nameservers != file.nameservers:
        left_out = ", ".join(file.nameservers[NAMESERVER_LIMIT:])
        warnings.append(f"more than {NAMESERVER_LIMIT} name servers: {left_out} left out")
    searches = _fit_searches(file.searches)
    if searches != file.searches:
        number = len(file.searches) - len(searches)
        limits = f"{SEARCH_LIMIT} paths, {SEARCH_LENGTH} characters, {PATH_LENGTH} a path"
        warnings.append(f"the search list is beyond its limits ({limits}): {number} left out")
    return Written(ResolvConf(nameservers, searches, file.options), tuple(warnings))


def _fit_searches(searches: tuple[str, ...]) -> tuple[str, ...]:
    kept = [one for one in searches[:SEARCH_LIMIT] if len(one) <= PATH_LENGTH]
    while len(" ".join(kept)) > SEARCH_LENGTH:
        kept.pop()
    return tuple(kept)


def _unique(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
