"""What is at a name of the zone: the Kubernetes DNS specification 1.1.0, as CoreDNS answers it.

Where the two differ: `_port._protocol` names have SRV records and no addresses, and a name that only
leads to others (`_tcp.SERVICE`) is there and has nothing (RFC 8020).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from service_proxy.dns.findings import (
    AAAA,
    CNAME,
    NODATA,
    NS,
    PTR,
    SRV,
    TXT,
    A,
    Absence,
    Finding,
    Found,
    Record,
)
from service_proxy.dns.names import IN_ADDR_ARPA, IP6_ARPA, dashed, reversed_address, split, undashed
from service_proxy.dns.records import SAME_NODE, Port, ServiceRecords, Target
from service_proxy.dns.zone import PodNames, Zone
from service_proxy.model import Address

VERSION_NAME, VERSION, VERSION_TTL = b"\x0bdns-version", b"\x051.1.0", 28800  # seconds; CoreDNS'
SERVER_NAME = b"\x02ns\x03dns"
CHAIN_MAX = 8  # aliases of aliases
MOST_RECORDS = 4000  # of one answer: 16 bytes each fill a message


def find(zone: Zone, name: bytes, kind: int) -> Finding:
    """Return what is at a name, given in lower case; `kind` is the type that is asked for."""
    if name.endswith(zone.services_end):
        return _below_services(zone, name[: -len(zone.services_end)], kind)
    if name.endswith(zone.pods_end):
        return _pod(zone, name[: -len(zone.pods_end)], kind)
    if name.endswith(zone.origin):
        return _at_the_top(zone, name[: -len(zone.origin)], kind)
    if name.endswith((IN_ADDR_ARPA, IP6_ARPA)):
        return _reverse(zone, name, kind)
    return Absence.NOT_OURS


def _at_the_top(zone: Zone, head: bytes, kind: int) -> Finding:
    servers = zone.options.server_addresses
    if head == b"":
        server = Record(NS, SERVER_NAME + zone.origin)
        glue = (Record(_type_of(one), one, SERVER_NAME + zone.origin) for one in servers)
        return Found((server,), tuple(glue)) if servers and kind == NS else NODATA
    if head == VERSION_NAME:
        return Found((Record(TXT, VERSION, ttl=VERSION_TTL),)) if kind == TXT else NODATA
    if servers and head == SERVER_NAME:
        return Found(tuple(Record(kind, one) for one in servers if _type_of(one) == kind))
    return NODATA if servers and head == b"\x03dns" else Absence.NO_NAME


def _below_services(zone: Zone, head: bytes, kind: int) -> Finding:
    records = zone.services.get(head)
    if records is not None:
        return _service(zone, records, kind)
    labels = split(head)
    if labels is None or len(labels) == 2 or len(labels) > 4:
        return Absence.NO_NAME
    if len(labels) < 2:
        return NODATA if not labels or zone.has_namespace(head) else Absence.NO_NAME
    own = labels[:-2]
    records = zone.services.get(head[sum(len(one) + 1 for one in own) :])
    if records is None or records.alias:
        return Absence.NO_NAME
    if own[-1].startswith(b"_"):
        return _port(zone, records, own, kind)
    return _endpoint(zone, records, own[0], kind) if len(own) == 1 else Absence.NO_NAME


def _service(zone: Zone, records: ServiceRecords, kind: int) -> Finding:
    if records.alias:
        return _alias(zone, records, kind)
    if records.is_headless and not records.groups:
        return Absence.NO_NAME  # CoreDNS, and the specification's "no ready endpoints"
    if kind == SRV:
        return _services(zone, records, None)
    if kind not in (A, AAAA):
        return Found(owner=records.key)
    if records.is_headless:
        return _endpoints(zone, records, (one for _, one in records.targets()), kind)
    return Found(
        tuple(Record(kind, one) for one in records.addresses if _type_of(one) == kind), owner=records.key
    )


def _alias(zone: Zone, records: ServiceRecords, kind: int) -> Found:
    """Follow a name's other names for as long as they are ours."""
    owner, target = b"", records.alias
    answers: list[Record] = []
    for _ in range(CHAIN_MAX):
        answers.append(Record(CNAME, target, owner))
        if kind == CNAME:
            break
        if not target.endswith(zone.origin):
            return Found(tuple(answers), beyond=target)
        following = zone.services.get(target.removesuffix(zone.services_end))
        if following is None or not following.alias:
            found = find(zone, target, kind)
            if isinstance(found, Found):
                answers += (one._replace(owner=one.owner or target) for one in found.answers)
                return Found(tuple(answers), found.extra)
            break
        owner, target = target, following.alias
    return Found(tuple(answers))


def _port(zone: Zone, records: ServiceRecords, own: list[bytes], kind: int) -> Finding:
    """Answer `_port._protocol`, and `_protocol`, which only leads there."""
    ports = (
        [port for group in records.groups for port in group.ports] if records.is_headless else records.ports
    )
    named = [port for port in ports if port.name and port.protocol == own[-1]]
    if len(own) == 1:
        return Found(owner=records.key) if named else Absence.NO_NAME
    if not any(port.name == own[0] for port in named):
        return Absence.NO_NAME
    return _services(zone, records, (own[0], own[1])) if kind == SRV else Found(owner=records.key)


def _endpoint(zone: Zone, records: ServiceRecords, host: bytes, kind: int) -> Finding:
    found = list(_with_host(records, host))
    if not found:
        return Absence.NO_NAME
    if kind == SRV:
        return _services_of(zone, records, found, None)
    return _endpoints(zone, records, (one for _, one in found), kind)


def _with_host(records: ServiceRecords, host: bytes) -> Iterator[tuple[tuple[Port, ...], Target]]:
    address = undashed(host)
    is_dashed = address is not None and dashed(address) == host
    for group in records.groups:
        if group.hosts:
            yield from (
                (group.ports, target)
                for target in map(group.target, range(len(group)))
                if target.host == host
            )
        elif is_dashed and address is not None and (index := group.find(address)) is not None:
            yield group.ports, group.target(index)


def _endpoints(zone: Zone, records: ServiceRecords, targets: Iterable[Target], kind: int) -> Found:
    chosen = {one.address: one for one in targets if _type_of(one.address) == kind}
    if not zone.options.prefers_near:
        answers = tuple(Record(kind, one) for one in islice(chosen, MOST_RECORDS))
        return Found(answers, owner=records.key)
    ranked = sorted(chosen.values(), key=lambda one: one.rank)[:MOST_RECORDS]
    nearest = ranked[0].rank if ranked else SAME_NODE
    near = sum(one.rank == nearest for one in ranked)
    return Found(tuple(Record(kind, one.address) for one in ranked), near=near, owner=records.key)


def _services(zone: Zone, records: ServiceRecords, wanted: tuple[bytes, bytes] | None) -> Found:
    """Return the SRV records of a service, of one port or of all, with the addresses of what they name."""
    if records.is_headless:
        targets = ((group.ports, target) for group, target in records.targets())
        return _services_of(zone, records, targets, wanted)
    name = records.key + zone.services_end
    numbers = dict.fromkeys(port.number for port in records.ports if wanted in (None, port[:2]))
    answers = tuple(_srv(100 // len(numbers), number, name) for number in numbers)
    extra = tuple(Record(_type_of(one), one, name) for one in records.addresses)
    return Found(answers, extra, owner=records.key) if extra else Found(owner=records.key)


def _services_of(
    zone: Zone,
    records: ServiceRecords,
    targets: Iterable[tuple[tuple[Port, ...], Target]],
    wanted: tuple[bytes, bytes] | None,
) -> Found:
    end = records.key + zone.services_end
    weights: dict[tuple[int, bytes], int] = {}
    extra: dict[Record, None] = {}
    for ports, target in islice(targets, MOST_RECORDS):
        name = bytes((len(target.host),)) + target.host + end
        for port in ports:
            if wanted in (None, port[:2]):
                weights[port.number, name] = target.weight
                extra[Record(_type_of(target.address), target.address, name)] = None
    total = sum(weights.values()) or 1
    answers = (_srv(100 * weight // total, number, name) for (number, name), weight in weights.items())
    return Found(tuple(answers), tuple(extra), owner=records.key)


def _srv(weight: int, port: int, target: bytes) -> Record:
    """Return an SRV record (RFC 2782); its weight is a share of 100, and 1 at least."""
    return Record(SRV, b"".join(one.to_bytes(2, "big") for one in (0, max(1, weight), port)) + target)


def _pod(zone: Zone, head: bytes, kind: int) -> Finding:
    labels = split(head)
    if not labels:
        return Absence.NO_NAME if labels is None else NODATA
    namespace = head[len(head) - len(labels[-1]) - 1 :]
    if zone.options.pods is PodNames.DISABLED or len(labels) > 2 or not zone.has_namespace(namespace):
        return Absence.NO_NAME
    if len(labels) == 1:
        return NODATA
    address = undashed(labels[0])
    if address is None:
        return Absence.NO_NAME
    if zone.options.pods is PodNames.VERIFIED and not zone.has_pod(namespace, address):
        return Absence.NO_NAME
    return Found((Record(kind, address),)) if _type_of(address) == kind else NODATA


def _reverse(zone: Zone, name: bytes, kind: int) -> Finding:
    """Return the names of an address: of the services whose ClusterIP it is, else of its endpoints."""
    address = reversed_address(name)
    keys = zone.keys_at(address) if address is not None else ()
    if address is None or not keys:
        return Absence.NOT_OURS
    holders = [zone.services[key] for key in keys]
    names = [one.key for one in holders if address in one.addresses]
    names = names or [host + one.key for one in holders for host in _hosts_of(one, address)]
    records = (Record(PTR, one + zone.services_end) for one in dict.fromkeys(names))
    return Found(tuple(records) if kind == PTR else (), address=address)


def _hosts_of(records: ServiceRecords, address: Address) -> Iterator[bytes]:
    for group in records.groups:
        if (index := group.find(address)) is not None:
            host = group.target(index).host
            yield bytes((len(host),)) + host


def _type_of(address: Address) -> int:
    return A if len(address) == 4 else AAAA
