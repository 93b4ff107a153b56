"""A service and its slices -> what DNS says of them: the value that the agent sends to whoever answers.

It is small, since ten thousand services with a hundred thousand endpoints are to fit into every process:
the endpoints of a slice are one string of addresses. The Kubernetes DNS specification 1.1.0 says what is
said; CoreDNS where that leaves a choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from linuxnet.packed import text_of
from service_proxy.dns.names import dashed, domain, label
from service_proxy.model import Address, Endpoint, EndpointPort, EndpointSlice, Service, ServicePort

MOST_ENDPOINTS = 20_000  # of one service; an answer holds 4,000 at most, and others are to have memory too
SAME_NODE, SAME_ZONE, ELSEWHERE = 0, 1, 2  # ranks: how near an endpoint is


class Port(NamedTuple):
    """A port as a name: `name` and `protocol` are labels with their underscore; a `name` may be missing."""

    name: bytes
    protocol: bytes
    number: int


class Target(NamedTuple):
    """An endpoint as DNS sees it. `host` is its label, without the length."""

    address: Address
    host: bytes
    rank: int
    weight: int


class Group(NamedTuple):
    """The endpoints of a slice that are spoken of."""

    ports: tuple[Port, ...]
    size: int  # of an address: 4 bytes or 16
    packed: bytes  # addresses, one after another
    hosts: tuple[bytes, ...] = ()  # b"": its dashed address. (): all are that
    ranks: bytes = b""  # b"": all are equal
    weights: tuple[int, ...] = ()  # (): all are 1

    def __len__(self) -> int:
        return len(self.packed) // self.size

    def target(self, index: int) -> Target:
        """Return one of them."""
        address = self.packed[index * self.size : (index + 1) * self.size]
        host = self.hosts[index] if self.hosts else b""
        rank = self.ranks[index] if self.ranks else SAME_NODE
        weight = self.weights[index] if self.weights else 1
        return Target(address, host or dashed(address), rank, weight)

    def addresses(self) -> Iterator[Address]:
        """Yield the addresses."""
        return (self.packed[at : at + self.size] for at in range(0, len(self.packed), self.size))

    def find(self, address: Address) -> int | None:
        """Return where an address is."""
        at = self.packed.find(address) if len(address) == self.size else -1
        while at % self.size and at > 0:  # found across two of them
            at = self.packed.find(address, at + 1)
        return at // self.size if at >= 0 else None


class ServiceRecords(NamedTuple):
    """What is said of one service. `key` is its two labels, as they are at the beginning of its names."""

    key: bytes
    addresses: tuple[Address, ...] = ()  # ClusterIPs
    ports: tuple[Port, ...] = ()
    groups: tuple[Group, ...] = ()
    is_headless: bool = False
    alias: bytes = b""  # ExternalName: a whole name

    def targets(self) -> Iterator[tuple[Group, Target]]:
        """Yield the endpoints."""
        for group in self.groups:
            for index in range(len(group)):
                yield group, group.target(index)


class Place(NamedTuple):
    """Where this node is: near endpoints come first in answers. Empty: they are all the same."""

    node: str = ""
    zone: str = ""


NOWHERE = Place()


def service_key(namespace: str, name: str) -> bytes | None:
    """Return a service's two labels; None if DNS cannot say them."""
    first, second = label(name), label(namespace)
    return None if first is None or second is None else first + second


def records_of(
    service: Service,
    slices: Iterable[EndpointSlice],
    place: Place = NOWHERE,
    *,
    names_pods: bool = False,
) -> ServiceRecords | None:
    """Return what DNS says of a service; None if its name can be no name, or it is an alias of none.

    `names_pods` names an endpoint without a hostname after its pod (CoreDNS' `endpoint_pod_names`).
    """
    key = service_key(*service.name)
    if key is None:
        return None
    if service.type.value == "ExternalName":
        alias = _alias(service.external_name)
        return None if alias is None else ServiceRecords(key, alias=alias)
    groups = tuple(_groups(service, slices, place, names_pods=names_pods))
    addresses = () if service.is_headless else service.cluster_ips
    return ServiceRecords(key, addresses, _ports(service.ports), groups, service.is_headless)


def _alias(name: str) -> bytes | None:
    """An address is no name: CoreDNS has nothing at such a service, and so do we."""
    return None if name.removesuffix(".").rpartition(".")[2].isdigit() else domain(name)


def _groups(
    service: Service, slices: Iterable[EndpointSlice], place: Place, *, names_pods: bool
) -> Iterator[Group]:
    seen: set[tuple[Address, str, object]] = set()  # an endpoint may be in two slices while it moves
    for one in slices:
        size = 4 if one.family == 4 else 16
        spoken_of = []
        for endpoint in one.endpoints:
            who = endpoint.address, endpoint.hostname, one.ports
            is_told = endpoint.is_ready or service.publishes_not_ready
            if is_told and len(endpoint.address) == size and who not in seen and len(seen) < MOST_ENDPOINTS:
                seen.add(who)
                spoken_of.append(endpoint)
        if spoken_of:
            yield _group(service, one, spoken_of, place, names_pods=names_pods)


def _group(
    service: Service, one: EndpointSlice, endpoints: list[Endpoint], place: Place, *, names_pods: bool
) -> Group:
    hosts = tuple(_host(endpoint, names_pods=names_pods) for endpoint in endpoints)
    ranks = bytes(_rank(endpoint, place) for endpoint in endpoints)
    weights = tuple(_weight(service, endpoint) for endpoint in endpoints) if service.weights else ()
    return Group(
        _ports(one.ports),
        4 if one.family == 4 else 16,
        b"".join(endpoint.address for endpoint in endpoints),
        hosts if any(hosts) else (),
        ranks if any(ranks) else b"",
        weights,
    )


def _host(endpoint: Endpoint, *, names_pods: bool) -> bytes:
    for text in (endpoint.hostname, endpoint.pod if names_pods else ""):
        if (wire := label(text)) is not None:
            return wire[1:]
    return b""


def _rank(endpoint: Endpoint, place: Place) -> int:
    if place.node and endpoint.node == place.node:
        return SAME_NODE
    if place.zone and endpoint.zone == place.zone:
        return SAME_ZONE
    return ELSEWHERE if any(place) else SAME_NODE


def _weight(service: Service, endpoint: Endpoint) -> int:
    names = (endpoint.pod, endpoint.node, text_of(endpoint.address))
    return next((service.weights[name] for name in names if name in service.weights), 1)


def _ports(ports: Iterable[ServicePort | EndpointPort]) -> tuple[Port, ...]:
    return tuple(Port(_underscored(one.name), _underscored(one.protocol), one.port) for one in ports)


def _underscored(text: str) -> bytes:
    wire = label(f"_{text}") if text else None
    return wire[1:] if wire is not None else b""
