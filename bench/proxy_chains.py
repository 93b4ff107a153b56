"""The peer that is always there: a chain for every service, its endpoints in a map of the rule's own.

That is how kube-proxy's nftables mode lays a cluster out: a verdict map from ClusterIP, protocol and port to
a service's chain, whose one rule holds the endpoints as an anonymous map. Loaded and changed by `nft -f`, as
there; what kube-proxy does besides (its listing of all chains before every change) is left out in its favour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

TABLE = "ip chained"
CLUSTER_IPS = int(IPv4Address("10.96.0.0"))
ENDPOINTS = int(IPv4Address("10.128.0.0"))
PORT, TARGET = 80, 8080


def cluster_ip(number: int) -> str:
    """Return the address of the n-th service."""
    return str(IPv4Address(CLUSTER_IPS + number + 1))


def endpoint(number: int) -> str:
    """Return the address of the n-th endpoint of all."""
    return str(IPv4Address(ENDPOINTS + number + 1))


def endpoints_of(service: int, each: int) -> list[str]:
    """Return the addresses behind the n-th service."""
    return [endpoint(service * each + index) for index in range(each)]


def chain_of(service: int) -> str:
    """Return the name of a service's chain, of the length that such names have."""
    return f"service-{service:08X}-default/web-{service}/tcp/{PORT}"


def whole(services: int, each: int) -> Iterator[str]:
    """Write the ruleset of so many services."""
    yield f"table {TABLE} {{"
    yield "  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }"
    yield "  set cluster-ips { type ipv4_addr; }"
    yield "  chain services {"
    yield "    ip daddr . meta l4proto . th dport vmap @service-ips"
    yield "  }"
    for hook in ("prerouting", "output"):
        yield f"  chain nat-{hook} {{ type nat hook {hook} priority -100; jump services; }}"
    yield "}"
    for service in range(services):
        yield f"add chain {TABLE} {chain_of(service)}"
    for service in range(services):
        yield f"add rule {TABLE} {chain_of(service)} {rule(endpoints_of(service, each))}"
    for service in range(services):
        address = cluster_ip(service)
        yield f"add element {TABLE} cluster-ips {{ {address} }}"
        leads = f"{address} . tcp . {PORT} : goto {chain_of(service)}"
        yield f"add element {TABLE} service-ips {{ {leads} }}"


def rule(addresses: Iterable[str]) -> str:
    """Write the rule that spreads over addresses."""
    slots = ", ".join(f"{slot} : {address} . {TARGET}" for slot, address in enumerate(addresses))
    return f"meta l4proto tcp dnat ip to numgen random mod {slots.count(' : ')} map {{ {slots} }}"


def changed(service: int, addresses: Iterable[str]) -> list[str]:
    """Write the change of a service's endpoints: its chain is emptied and filled again."""
    chain = f"{TABLE} {chain_of(service)}"
    return [f"flush chain {chain}", f"add rule {chain} {rule(addresses)}"]
