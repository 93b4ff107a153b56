"""Which ClusterIPs and NodePorts a service gets, by the claims there are. Pure.

What the API server does for Kubernetes (pkg/registry/core/service): what was asked for if it is free, what
the service had before, else something of the upper part of the range. One thing that cannot be given is one
trouble, and the service goes without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from linuxnet.packed import family_of, text_of
from service_proxy.claims import Book, Claim
from service_proxy.model import Address, Service, ServiceName, ServicePort, ServiceType
from service_proxy.number_range import NumberRange
from service_proxy.ranges import IP, VIP, Ranges, address_of, packed, range_key

KUBERNETES = ServiceName("default", "kubernetes")  # the API server's: always the first address
RESERVED = {KUBERNETES: 1, ServiceName("kube-system", "kube-dns"): 10}  # offsets in a range, by convention
PORT_PROTOCOLS = ("tcp", "udp", "sctp")
HEALTH = "health"
CLASS = "podwire.io/l2"  # spec.loadBalancerClass that means us; none does, too
_NAMES = {IP: "ClusterIP", VIP: "load balancer's address"}


@dataclass(frozen=True)
class Allotment:
    """A service with what it gets, what it has to claim for that, and what it does not get."""

    service: Service
    claims: tuple[Claim, ...] = ()  # all it needs, whether new or claimed already
    troubles: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()  # things it asks for by name and has not got


class Allotter:
    """Decides by ranges and a book; it notes what it gives, so that the next gets something else.

    `is_free`: claims whose things may be taken by who asks for just these.
    """

    def __init__(
        self, ranges: Ranges, book: Book, is_free: Callable[[Claim], bool] = lambda _: False
    ) -> None:
        self._ranges, self._book, self._is_free = ranges, book, is_free
        self._taken: Counter[str] = Counter()
        for thing in book.things:
            self._count(thing, 1)

    def allot(self, service: Service) -> Allotment:
        """Return what a service gets."""
        work = _Work(service, str(service.name), self._book.owned(str(service.name)))
        if self._ranges.is_all:
            service = self._with_cluster_ips(work, service)
            service = self._with_ports(work, service)
        if self._ranges.pools and is_ours(service) and not service.load_balancer_ips:
            service = replace(service, load_balancer_ips=self._load_balancer_ips(work))
        return Allotment(service, tuple(work.claims), tuple(work.troubles), tuple(work.missed))

    def _with_cluster_ips(self, work: _Work, service: Service) -> Service:
        if service.type is ServiceType.EXTERNAL_NAME or service.is_headless:
            return service
        families, addresses = self._addresses(work)
        return replace(service, cluster_ips=addresses, families=families)

    def _with_ports(self, work: _Work, service: Service) -> Service:
        ports = self._node_ports(work) if _has_node_ports(service) else service.ports
        health = service.health_check_node_port
        if service.type is ServiceType.LOAD_BALANCER and service.is_local_outside:
            health = self._port(work, ("tcp",), health, HEALTH) or 0
        return replace(service, ports=ports, health_check_node_port=health)

    def _load_balancer_ips(self, work: _Work) -> tuple[Address, ...]:
        """Return those that were asked for, and of families that nobody asked for any."""
        asked = {family_of(one): one for one in work.service.wanted_load_balancer_ips}
        pooled = {family for family, _ in self._ranges.pooled}
        families = [one for one in work.service.families if one in pooled or one in asked]
        found = []
        for family in dict.fromkeys([*families, *asked] or sorted(pooled)[:1]):
            wish = asked.get(family)
            address = self._asked_address(work, wish, VIP) if wish else self._new(work, family, VIP)
            found += [address] if address else []
        return tuple(found)

    def _addresses(self, work: _Work) -> tuple[tuple[int, ...], tuple[Address, ...]]:
        asked = {family_of(one): one for one in work.service.cluster_ips}
        families = [one for one in work.service.families if one in self._ranges.families or one in asked]
        families = families or list(self._ranges.families[:1])
        found = {}
        for family in families:
            address = (
                self._asked_address(work, asked[family], IP)
                if family in asked
                else self._new(work, family, IP)
            )
            if address:
                found[family] = address
        if not families:
            work.troubles.append("no ClusterIP: there is no range that one could come from")
        return tuple(found) or work.service.families, tuple(found.values())

    def _asked_address(self, work: _Work, address: Address, kind: str) -> Address | None:
        what, thing = f"{_NAMES[kind]} {text_of(address)}", f"{kind}/{text_of(address)}"
        is_its_own = any(one.thing == thing for one in work.before)  # of a range that has gone since
        if self._ranges.of(kind) and not self._has_range(kind, address) and not is_its_own:
            work.miss(thing, f"{what} is in none of {self._words(kind)}")
            return None
        return address if self._take(work, thing, what) else None

    def _new(self, work: _Work, family: int, kind: str) -> Address | None:
        for claim in work.before:
            address = address_of(claim.thing, kind)
            if address and family_of(address) == family and self._has_range(kind, address):
                work.claims.append(claim)
                return address
        for version, numbers in self._ranges.of(kind):
            if version == family and (address := self._choose_address(work, version, numbers, kind)):
                return address
        work.troubles.append(f"no {_NAMES[kind]}: every IPv{family} address of {self._words(kind)} is given")
        return None

    def _choose_address(self, work: _Work, family: int, numbers: NumberRange, kind: str) -> Address | None:
        def is_free(number: int) -> bool:
            return f"{kind}/{text_of(packed(number, family))}" not in self._book.things

        base = numbers.first - 1
        offset = RESERVED.get(work.service.name, 0) if kind == IP else 0
        number: int | None = base + offset
        if not offset or base + offset not in numbers or not is_free(base + offset):
            spared = [base + one for one in RESERVED.values()] if kind == IP else ()
            name = f"{work.owner} {numbers.first}"
            number = numbers.choose(name, is_free, self._taken[range_key(kind, numbers)], spared)
        if number is None:
            return None
        self._claim(work, Claim(f"{kind}/{text_of(packed(number, family))}", work.owner))
        return packed(number, family)

    def _words(self, kind: str) -> str:
        return ", ".join(self._ranges.pools if kind == VIP else self._ranges.cidrs)

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
        if holder is not None and holder.owner != work.owner and not self._is_free(holder):
            work.miss(thing, f"{what} is taken by {holder.owner}")
            return False
        self._claim(work, Claim(thing, work.owner, use))
        return True

    def _claim(self, work: _Work, claim: Claim) -> None:
        if claim.thing not in self._book.things:
            self._count(claim.thing, 1)
        self._book.note(claim)
        work.claims.append(claim)

    def _count(self, thing: str, by: int) -> None:
        kind, _, rest = thing.partition("/")
        if kind == "port":
            self._taken[rest.partition("/")[0]] += by
        elif address := address_of(thing, kind):
            number = int.from_bytes(address, "big")
            for family, numbers in self._ranges.of(kind):
                if family == family_of(address) and number in numbers:
                    self._taken[range_key(kind, numbers)] += by

    def _has_range(self, kind: str, address: Address) -> bool:
        number, version = int.from_bytes(address, "big"), family_of(address)
        return any(family == version and number in numbers for family, numbers in self._ranges.of(kind))


@dataclass
class _Work:
    """One service on its way."""

    service: Service
    owner: str
    before: tuple[Claim, ...]
    claims: list[Claim] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def miss(self, thing: str, why: str) -> None:
        """Note what it asked for and does not get."""
        self.missed.append(thing)
        self.troubles.append(why)


def is_ours(service: Service) -> bool:
    """Tell whether a service is a load balancer's that we give an address to, and announce."""
    return service.type is ServiceType.LOAD_BALANCER and service.load_balancer_class in (None, CLASS)


def _has_node_ports(service: Service) -> bool:
    if service.type is ServiceType.LOAD_BALANCER:
        return service.allocates_node_ports or any(port.node_port for port in service.ports)
    return service.type is ServiceType.NODE_PORT


def _use(port: ServicePort) -> str:
    return str(port.port)
