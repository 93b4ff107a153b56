"""Which ClusterIPs and NodePorts a service gets, by the claims there are. Pure.

What the API server does for Kubernetes (pkg/registry/core/service): what was asked for if it is free, what
the service had before, else something of the upper part of the range. One thing that cannot be given is one
trouble, and the service goes without it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from service_proxy.claims import Book, Claim
from service_proxy.model import Address, Service, ServiceName, ServicePort, ServiceType
from service_proxy.number_range import NumberRange, address_band, port_band

KUBERNETES = ServiceName("default", "kubernetes")  # the API server's: always the first address
RESERVED = {KUBERNETES: 1, ServiceName("kube-system", "kube-dns"): 10}  # offsets in a range, by convention
PORT_PROTOCOLS = ("tcp", "udp", "sctp")
HEALTH = "health"
SIZE_MAX = 1 << 64  # addresses of a range that are looked at


@dataclass(frozen=True)
class Ranges:
    """Where ClusterIPs and NodePorts come from. The family of the first range is the cluster's own."""

    cidrs: tuple[str, ...]
    node_ports: tuple[int, int] = (30000, 32767)  # first and last; healthCheckNodePorts come from here, too
    addresses: tuple[tuple[int, NumberRange], ...] = field(init=False)  # family and numbers
    ports: NumberRange = field(init=False)

    def __post_init__(self) -> None:
        first, last = self.node_ports
        size = last - first + 1
        object.__setattr__(self, "addresses", tuple(_address_range(one) for one in self.cidrs))
        object.__setattr__(self, "ports", NumberRange(first, size, port_band(size)))

    @property
    def families(self) -> tuple[int, ...]:
        """Return the families there are, the cluster's own first."""
        return tuple(dict.fromkeys(family for family, _ in self.addresses))


@dataclass(frozen=True)
class Allotment:
    """A service with what it gets, what it has to claim for that, and what it does not get."""

    service: Service
    claims: tuple[Claim, ...] = ()  # all it needs, whether new or claimed already
    troubles: tuple[str, ...] = ()


class Allotter:
    """Decides by ranges and a book; it notes what it gives, so that the next gets something else.

    `is_gone`: owners whose things may be taken by who asks for just these.
    """

    def __init__(self, ranges: Ranges, book: Book, is_gone: Callable[[str], bool] = lambda _: False) -> None:
        self._ranges, self._book, self._is_gone = ranges, book, is_gone
        self._taken: Counter[str] = Counter()
        for thing in book.things:
            self._count(thing, 1)

    def allot(self, service: Service) -> Allotment:
        """Return what a service gets."""
        work = _Work(service, str(service.name), self._book.owned(str(service.name)))
        families, addresses = service.families, service.cluster_ips
        if service.type is not ServiceType.EXTERNAL_NAME and not service.is_headless:
            families, addresses = self._addresses(work)
        ports = self._node_ports(work) if _has_node_ports(service) else service.ports
        health = service.health_check_node_port
        if service.type is ServiceType.LOAD_BALANCER and service.is_local_outside:
            health = self._port(work, ("tcp",), health, HEALTH) or 0
        filled = replace(
            service, cluster_ips=addresses, families=families, ports=ports, health_check_node_port=health
        )
        return Allotment(filled, tuple(work.claims), tuple(work.troubles))

    def _addresses(self, work: _Work) -> tuple[tuple[int, ...], tuple[Address, ...]]:
        asked = {family_of(one): one for one in work.service.cluster_ips}
        families = [one for one in work.service.families if one in self._ranges.families or one in asked]
        families = families or list(self._ranges.families[:1])
        found = {}
        for family in families:
            address = self._asked_address(work, asked[family]) if family in asked else self._new(work, family)
            if address:
                found[family] = address
        if not families:
            work.troubles.append("no ClusterIP: there is no range that one could come from")
        return tuple(found) or work.service.families, tuple(found.values())

    def _asked_address(self, work: _Work, address: Address) -> Address | None:
        text = text_of(address)
        family, number = family_of(address), int.from_bytes(address, "big")
        ranges = [one for version, one in self._ranges.addresses if version == family]
        if ranges and not any(number in one for one in ranges):
            work.troubles.append(
                f"clusterIP {text} is in no range of ClusterIPs: {', '.join(self._ranges.cidrs)}"
            )
            return None
        return address if self._take(work, f"ip/{text}", f"clusterIP {text}") else None

    def _new(self, work: _Work, family: int) -> Address | None:
        for claim in work.before:
            address = _address_of(claim.thing)
            if address and family_of(address) == family and self._has_range(address):
                work.claims.append(claim)
                return address
        for version, numbers in self._ranges.addresses:
            if version == family and (address := self._choose_address(work, version, numbers)):
                return address
        work.troubles.append(
            f"no ClusterIP: every IPv{family} address of {', '.join(self._ranges.cidrs)} is given"
        )
        return None

    def _choose_address(self, work: _Work, family: int, numbers: NumberRange) -> Address | None:
        def is_free(number: int) -> bool:
            return f"ip/{text_of(_packed(number, family))}" not in self._book.things

        base = numbers.first - 1
        wished = base + RESERVED.get(work.service.name, 0)
        number: int | None = wished
        if wished not in numbers or not is_free(wished):
            spared = [base + offset for offset in RESERVED.values()]
            name = f"{work.owner} {numbers.first}"
            number = numbers.choose(name, is_free, self._taken[_range_key(numbers)], spared)
        if number is None:
            return None
        self._claim(work, Claim(f"ip/{text_of(_packed(number, family))}", work.owner))
        return _packed(number, family)

    def _node_ports(self, work: _Work) -> tuple[ServicePort, ...]:
        """Return the ports; those of one number and several protocols get one NodePort, as DNS wants it."""
        found: dict[int, ServicePort] = {}
        by_number: dict[int, list[int]] = {}
        for index, port in enumerate(work.service.ports):
            if port.node_port:
                wish = self._port(work, (port.protocol,), port.node_port, _use(port))
                found[index] = port._replace(node_port=wish or 0)
            else:
                by_number.setdefault(port.port, []).append(index)
        for indexes in by_number.values():
            ports = [work.service.ports[index] for index in indexes]
            number = self._port(work, [one.protocol for one in ports], 0, _use(ports[0]))
            found |= {i: one._replace(node_port=number or 0) for i, one in zip(indexes, ports, strict=True)}
        return tuple(found[index] for index in range(len(work.service.ports)))

    def _port(self, work: _Work, protocols: Sequence[str], asked: int, use: str) -> int | None:
        """Claim a port for some protocols: the one that is asked for, the one of before, or any."""
        if asked:
            what = f"{'healthCheckNodePort' if use == HEALTH else 'nodePort'} {asked}"
            if asked not in self._ranges.ports:
                first, last = self._ranges.node_ports
                work.troubles.append(f"{what} is not in the range {first}-{last}")
                return None
            things = [f"port/{protocol}/{asked}" for protocol in protocols]
            return asked if all(self._take(work, thing, what, use) for thing in things) else None
        number = self._port_before(work, protocols, use)
        if number is None:
            name = f"{work.owner} {use}"
            taken = max(self._taken[protocol] for protocol in protocols)
            number = self._ranges.ports.choose(name, lambda n: self._are_free(protocols, n), taken)
        if number is None:
            work.troubles.append("no NodePort: every port of the range is given")
            return None
        for protocol in protocols:
            self._claim(work, Claim(f"port/{protocol}/{number}", work.owner, use))
        return number

    def _port_before(self, work: _Work, protocols: Collection[str], use: str) -> int | None:
        for claim in work.before:
            kind, _, rest = claim.thing.partition("/")
            if kind == "port" and claim.use == use and claim not in work.claims:
                number = int(rest.rpartition("/")[2])
                mine = {one.thing for one in work.before}
                others = [one for one in protocols if f"port/{one}/{number}" not in mine]
                if number in self._ranges.ports and self._are_free(others, number):
                    return number
        return None

    def _are_free(self, protocols: Collection[str], number: int) -> bool:
        return not any(f"port/{protocol}/{number}" in self._book.things for protocol in protocols)

    def _take(self, work: _Work, thing: str, what: str, use: str = "") -> bool:
        """Claim a certain thing, unless somebody has it who is still there."""
        holder = self._book.things.get(thing)
        if holder is not None and holder.owner != work.owner and not self._is_gone(holder.owner):
            work.troubles.append(f"{what} is taken by {holder.owner}")
            return False
        self._claim(work, Claim(thing, work.owner, use))
        return True

    def _claim(self, work: _Work, claim: Claim) -> None:
        if claim.thing not in self._book.things:
            self._count(claim.thing, 1)
        self._book.note(claim)
        work.claims.append(claim)

    def _count(self, thing: str, by: int) -> None:
        address = _address_of(thing)
        if address is None:
            self._taken[thing.split("/")[1] if thing.startswith("port/") else thing] += by
            return
        number = int.from_bytes(address, "big")
        for family, numbers in self._ranges.addresses:
            if family == family_of(address) and number in numbers:
                self._taken[_range_key(numbers)] += by

    def _has_range(self, address: Address) -> bool:
        number, version = int.from_bytes(address, "big"), family_of(address)
        return any(family == version and number in numbers for family, numbers in self._ranges.addresses)


@dataclass
class _Work:
    """One service on its way."""

    service: Service
    owner: str
    before: tuple[Claim, ...]
    claims: list[Claim] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def family_of(address: Address) -> int:
    """Return 4 or 6."""
    return 4 if len(address) == 4 else 6


def text_of(address: Address) -> str:
    """Write an address."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _has_node_ports(service: Service) -> bool:
    if service.type is ServiceType.LOAD_BALANCER:
        return service.allocates_node_ports or any(port.node_port for port in service.ports)
    return service.type is ServiceType.NODE_PORT


def _use(port: ServicePort) -> str:
    return str(port.port)


def _address_range(cidr: str) -> tuple[int, NumberRange]:
    """Return a range without the addresses that name the subnet and, of IPv4, all of it."""
    net = ipaddress.ip_network(cidr)
    size = min(net.num_addresses, SIZE_MAX)
    usable = max(size - (2 if net.version == 4 else 1), 0)
    return net.version, NumberRange(int(net.network_address) + 1, usable, max(address_band(size) - 1, 0))


def _range_key(numbers: NumberRange) -> str:
    return f"range {numbers.first} {numbers.size}"


def _address_of(thing: str) -> Address | None:
    if not thing.startswith("ip/"):
        return None
    try:
        return ipaddress.ip_address(thing[3:]).packed
    except ValueError:  # a key that somebody wrote by hand
        return None


def _packed(number: int, family: int) -> Address:
    return number.to_bytes(4 if family == 4 else 16, "big")
