"""Where clients reach a service: at which addresses and ports of which kind, as one node serves it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from linuxnet.packed import text_of
from linuxnet.service_entries import Front
from service_proxy.model import Address, Service, ServicePort, ServiceType
from service_proxy.slice_objects import PROXY_LABEL


@dataclass(frozen=True, slots=True)
class Context:
    """The node for which is decided, and what its owner allows. With `node` "" no endpoint is here."""

    node: str = ""
    zone: str = ""
    addresses: tuple[Address, ...] = ()  # the node's own
    external_ips: tuple[str, ...] = ()  # CIDRs that externalIPs may be of
    proxy_name: str = ""  # label service.kubernetes.io/service-proxy-name of what is served


class Reach(IntEnum):
    """By what clients reach a front end; of two services that want the same one, the lower has it."""

    CLUSTER_IP = 0
    LOAD_BALANCER = 1
    NODE_PORT = 2
    EXTERNAL_IP = 3  # anybody who may write a service may name any address here (CVE-2020-8554)


class Exposed(NamedTuple):
    """One front end of a service."""

    front: Front
    reach: Reach
    port: ServicePort


def is_served(service: Service, context: Context) -> bool:
    """Tell whether a service is a proxy's at all, and this one's."""
    return bool(service.cluster_ips) and service.labels.get(PROXY_LABEL, "") == context.proxy_name


def exposed(service: Service, context: Context) -> list[Exposed]:
    """Return all front ends, each once. A family without a ClusterIP is not served at all."""
    ips = service.cluster_ips
    sizes = {len(one) for one in ips}
    found = [
        Exposed(Front.at(ip, port.protocol, port.port), Reach.CLUSTER_IP, port)
        for ip in ips
        for port in service.ports
    ]
    if service.load_balancer_ips and service.type is ServiceType.LOAD_BALANCER:
        given = [one for one in service.load_balancer_ips if len(one) in sizes]
        found += _at(given, Reach.LOAD_BALANCER, service)
    if service.external_ips:
        given = [one for one in service.external_ips if len(one) in sizes]
        allowed = [one for one in given if is_within(one, context.external_ips)]
        found += _at(allowed, Reach.EXTERNAL_IP, service)
    if service.type in (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER):
        found += _node_ports(service, sizes)
    return found if len(found) < 2 else list({one.front: one for one in reversed(found)}.values())[::-1]


def disallowed(service: Service, context: Context) -> list[Address]:
    """Return the external addresses that the node's owner has not allowed."""
    return [one for one in service.external_ips if not is_within(one, context.external_ips)]


def is_within(address: Address, cidrs: Sequence[str]) -> bool:
    """Tell whether an address is of one of some ranges."""
    return any(first <= address <= last for first, last in _bounds(tuple(cidrs), len(address)))


def is_open(cidrs: Iterable[str], family: int) -> bool:
    """Tell whether ranges keep nobody of a family out."""
    return any(one.endswith("/0") and (":" in one) == (family == 6) for one in cidrs)


def front_text(front: Front) -> str:
    """Return a front end as people write it."""
    host = f"the NodePort of IPv{front.family}, " if not front.address else f"{text_of(front.address)} "
    return f"{host}{front.protocol} {front.port}"


def _at(addresses: Iterable[Address], reach: Reach, service: Service) -> list[Exposed]:
    return [
        Exposed(Front.at(address, port.protocol, port.port), reach, port)
        for address in addresses
        for port in service.ports
    ]


def _node_ports(service: Service, sizes: Iterable[int]) -> list[Exposed]:
    return [
        Exposed(Front.node_port(4 if size == 4 else 6, port.protocol, port.node_port), Reach.NODE_PORT, port)
        for size in sorted(sizes)
        for port in service.ports
        if port.node_port
    ]


@lru_cache(64)
def _bounds(cidrs: tuple[str, ...], size: int) -> tuple[tuple[bytes, bytes], ...]:
    nets = [ipaddress.ip_network(one, strict=False) for one in cidrs]
    found = [(net.network_address.packed, net.broadcast_address.packed) for net in nets]
    return tuple(one for one in found if len(one[0]) == size)
