"""[dns] of the settings -> a server of this node, at addresses that are delivered here."""

from __future__ import annotations

import ipaddress
from functools import partial
from pathlib import Path

from linuxnet.local_addresses import add_local
from service_proxy.catalogue import Catalogue
from service_proxy.dns.forward_settings import CacheSettings, ForwardSettings, Policy, Server, read_server
from service_proxy.dns.message import is_name
from service_proxy.dns.node_dns import DnsOptions, NodeDns
from service_proxy.dns.outside import OutsideOptions, open_outside
from service_proxy.dns.zone import PodNames, ZoneOptions
from service_proxy.model import Address
from service_proxy.settings import DnsSettings, ProxySettings

TENTH = 10  # of the range of ClusterIPs: kube-dns by custom


def addresses_of(dns: DnsSettings, proxy: ProxySettings) -> tuple[Address, ...]:
    """Return where the server answers.

    Raises:
        ValueError: that is not told, and no range of ClusterIPs tells it.
    """
    if dns.addresses:
        return tuple(ipaddress.ip_address(one).packed for one in dns.addresses)
    if dns.is_kubernetes or not proxy.service_cidrs:
        raise ValueError(
            "[dns] addresses: expected the cluster's DNS address, as kubelet's clusterDNS has it"
        )
    network = ipaddress.ip_network(proxy.service_cidrs[0])
    if network.num_addresses <= TENTH:
        raise ValueError(f"[dns] addresses: {network} has no tenth address")
    return (network[TENTH].packed,)


def open_dns(settings: DnsSettings, catalogue: Catalogue, addresses: tuple[Address, ...]) -> NodeDns:
    """Return a server that listens, in the thread's network namespace; it is told nothing before `start`.

    Raises:
        OSError: it cannot be listened there.
        KernelError: an address cannot be made local.
    """
    add_local(one for one in addresses if not _is_loopback(one))
    return NodeDns(catalogue, options_of(settings, addresses))


def options_of(settings: DnsSettings, addresses: tuple[Address, ...]) -> DnsOptions:
    """Return what the server is told.

    Raises:
        ValueError: an upstream or a host is no address, a domain is none; the message names the key.
    """
    zone = ZoneOptions(
        zone=settings.zone,
        ttl=settings.ttl,
        pods=PodNames(settings.pods),
        server_addresses=tuple(one for one in addresses if not _is_loopback(one)),
        prefers_near=settings.prefers_near,
    )
    outside = OutsideOptions(
        forward=_forwarding(settings),
        servers=tuple(_asked("upstreams", one) for one in settings.upstreams),
        resolv_conf=Path(settings.resolv_conf),
        own=tuple(Server(_text(one), settings.port) for one in addresses),
        has_autopath=settings.autopath,
    )
    return DnsOptions(
        addresses=addresses,
        port=settings.port,
        processes=settings.workers,
        zone=zone,
        names_pods=settings.endpoint_pod_names,
        linger=settings.linger,
        open_resolver=partial(open_outside, outside),
    )


def _forwarding(settings: DnsSettings) -> ForwardSettings:
    cache = CacheSettings(
        entries=settings.cache_entries,
        longest=settings.cache_ttl,
        longest_negative=settings.cache_negative_ttl,
        stale=settings.serve_stale,
    )
    return ForwardSettings(
        policy=Policy(settings.policy),
        max_concurrent=settings.max_concurrent,
        stubs={
            _domain("stubs", domain): tuple(_asked("stubs", one) for one in servers)
            for domain, servers in settings.stubs.items()
        },
        hosts={
            _domain("hosts", name): tuple(_host(one) for one in given)
            for name, given in settings.hosts.items()
        },
        cache=cache,
    )


def _asked(key: str, text: str) -> Server:
    try:
        return read_server(text)
    except ValueError as error:
        raise ValueError(f"[dns] {key}: {error}") from error


def _domain(key: str, text: str) -> str:
    if not is_name(text):  # a process that answers would not begin with it
        raise ValueError(f"[dns] {key}: {text[:80]!r} is no domain name")
    return text


def _host(text: str) -> Address:
    try:
        return ipaddress.ip_address(text).packed
    except ValueError as error:
        raise ValueError(f"[dns] hosts: {error}") from error


def _is_loopback(address: Address) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _text(address: Address) -> str:
    return str(ipaddress.ip_address(address))
