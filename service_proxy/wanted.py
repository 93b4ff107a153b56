"""One service, its endpoints and the node -> what is to be in the kernel's sets and maps. Pure.

Kubernetes' rules, as reference proxies keep them:

    front end             policy Cluster                     policy Local
    ClusterIP             the cluster's list                 this node's list, else dropped
    LB, external, node    the cluster's list, masqueraded    from outside: this node's list, else dropped;
                                                             from pods and the node: the cluster's list
    no endpoint anywhere  refused                            refused
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from linuxnet.packed import text_of
from linuxnet.service_chains import Hashes, Masquerade
from linuxnet.service_entries import (
    DROP,
    Entry,
    Front,
    Pick,
    Target,
    Verdict,
    cluster_ip,
    hairpin,
    remembered,
)
from service_proxy.backends import Backends, Lists, backends_of
from service_proxy.front_ends import (
    Context,
    Exposed,
    Reach,
    disallowed,
    exposed,
    front_text,
    is_open,
    is_served,
    is_within,
)
from service_proxy.model import (
    Address,
    Algorithm,
    EndpointSlice,
    Service,
    ServiceName,
    ServiceType,
)
from service_proxy.slots import SLOTS_MAX, WEIGHTED_MAX, table_size

Thing = Front | Address  # what services may contend for: a front end, or a whole ClusterIP
PortName = tuple[str, str]  # name and protocol: what a port is known by while its number changes

_HASHES: Mapping[Algorithm, Hashes] = {
    Algorithm.RANDOM: "",
    Algorithm.MAGLEV: "port",
    Algorithm.MAGLEV_SOURCE: "source",
}


ENTRIES_MAX = 1 << 20  # of one service: what hundreds of megabytes of the kernel's memory hold


class HealthCheck(NamedTuple):
    """What load balancers ask this node at a port: how many endpoints are ready here."""

    port: int
    local_ready: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one service is to have."""

    entries: Sequence[Entry] = ()
    serving: frozenset[Target] = frozenset()  # endpoints that go on serving the flows they have
    lingering: frozenset[Target] = frozenset()  # those of UDP that do no more than that
    backends: tuple[Backends, ...] = ()
    health: HealthCheck | None = None
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What else decides about a service: what it had, and what others have."""

    before: Lists = field(default_factory=dict)  # slots of now; they are changed as little as can be
    numbers: Mapping[PortName, int] = field(default_factory=dict)  # of its ports that remember clients
    lost: Mapping[Thing, ServiceName] = field(default_factory=dict)  # what another service has
    front_ends: Sequence[Exposed] | None = None  # if they are known already

    def has_lost(self, one: Exposed) -> bool:
        """Tell whether another service has a front end, or the ClusterIP that it is at."""
        return one.front in self.lost or (one.reach is Reach.CLUSTER_IP and one.front.address in self.lost)


ALONE = Standing()


def wanted(
    service: Service, slices: Iterable[EndpointSlice], context: Context, standing: Standing = ALONE
) -> Wanted:
    """Return what a service is to have in the kernel of one node."""
    if not is_served(service, context):
        return Wanted()
    ours = [one for one in slices if not one.is_headless and one.proxy_name == context.proxy_name]
    front_ends = exposed(service, context) if standing.front_ends is None else standing.front_ends
    if (most := _most_entries(service, ours, len(front_ends))) > ENTRIES_MAX:
        refusal = (
            f"{service.name}: not served: {most} entries may be needed, {ENTRIES_MAX} are one service's limit"
        )
        return Wanted(conditions=(refusal,))
    backends = backends_of(service, ours, context, standing.before)
    by_port = {(one.port, one.family): one for one in backends}
    entries: list[Entry] = [cluster_ip(ip) for ip in service.cluster_ips if ip not in standing.lost]
    for one in front_ends:
        if standing.has_lost(one):
            continue
        found = by_port[one.port, one.front.family]
        entries += _front_entries(service, one, found, standing, context)
    entries += [remembered(number, service.affinity_timeout) for number in sorted(standing.numbers.values())]
    entries += _hairpins(backends, context)
    return Wanted(
        entries=entries,
        serving=frozenset().union(*(one.usable.serving for one in backends)),
        lingering=frozenset().union(*(_lingering(one) for one in backends if one.port.protocol == "udp")),
        backends=tuple(backends),
        health=_health(service, backends),
        conditions=tuple(_conditions(service, context, standing, backends)),
    )


def _lingering(one: Backends) -> frozenset[Target]:
    return one.usable.serving.difference(one.cluster, one.local)


def _most_entries(service: Service, slices: Iterable[EndpointSlice], front_ends: int) -> int:
    """Return how many entries endpoints may take at most: before any work is done for them."""
    endpoints = min(sum(len(one.endpoints) for one in slices), SLOTS_MAX)
    if service.weights:
        endpoints = max(endpoints, WEIGHTED_MAX)
    slots = endpoints if service.algorithm is Algorithm.RANDOM else table_size(endpoints)
    return slots * front_ends * (2 if service.is_local_inside or service.is_local_outside else 1)


def _front_entries(
    service: Service, one: Exposed, found: Backends, standing: Standing, context: Context
) -> list[Entry]:
    """Return what one front end is to have."""
    front = one.front
    entries = _firewall(service, front, context) if one.reach is Reach.LOAD_BALANCER else []
    if not found.usable.has_any:
        return [*entries, front.refused()]
    is_inside = one.reach is Reach.CLUSTER_IP
    is_local = service.is_local_inside if is_inside else service.is_local_outside
    number = standing.numbers.get((one.port.name, one.port.protocol))
    is_led = True
    if not (is_inside and is_local):
        masquerade: Masquerade = "" if is_inside else "own" if is_local else "always"
        entries += _list(service, front, found.cluster, is_local=False)
        entries.append(front.leads(_verdict(_pick(service, front, found.cluster, False, number, masquerade))))
    if is_local:
        entries += _list(service, front, found.local, is_local=True)
        own = _verdict(_pick(service, front, found.local, True, number, "")) if found.local else DROP
        entries.append(front.leads(own) if is_inside else front.leads_from_outside(own))
        is_led = not is_inside or bool(found.local)
    if number is not None and is_led:
        entries.append(front.sticky(number))
    return entries


def _list(service: Service, front: Front, targets: Sequence[Target], *, is_local: bool) -> list[Entry]:
    if service.algorithm is Algorithm.RANDOM:
        return front.slots(targets, is_local=is_local)
    return front.table(targets, is_local=is_local)


def _pick(
    service: Service,
    front: Front,
    targets: Sequence[Target],
    is_local: bool,
    number: int | None,
    masquerade: Masquerade,
) -> Pick:
    # who is to be remembered and hashed is hashed by the address alone: as sticky, and without memory
    hashes = _HASHES[service.algorithm]
    if hashes and service.affinity_timeout:
        hashes = "source"
    return Pick(len(targets), not front.address, is_local, hashes, number is not None, masquerade)


@lru_cache(4096)
def _verdict(pick: Pick) -> Verdict:
    return pick.verdict


def _firewall(service: Service, front: Front, context: Context) -> list[Entry]:
    """Return who may come, if not everybody. Ranges of the other family alone let nobody of this one in.

    What a node sends to the address has that address for its source where the address is the node's too.
    """
    ranges = service.source_ranges
    if not ranges or is_open(ranges, front.family):
        return []
    if any(is_within(own, ranges) for own in context.addresses):
        ranges = (*ranges, text_of(front.address))
    return front.firewalled(ranges)


def _hairpins(backends: Iterable[Backends], context: Context) -> list[Entry]:
    """Return the endpoints here that may reach themselves; the node needs no help to do so."""
    here = frozenset().union(*(one.usable.local_addresses for one in backends))
    return [hairpin(address) for address in sorted(here.difference(context.addresses))]


def _health(service: Service, backends: Iterable[Backends]) -> HealthCheck | None:
    port = service.health_check_node_port
    if not port or service.type is not ServiceType.LOAD_BALANCER or not service.is_local_outside:
        return None
    ready: dict[int, set[Address]] = {4: set(), 6: set()}  # a pod of two families is one endpoint
    for one in backends:
        ready[one.family] |= one.usable.local_ready
    return HealthCheck(port, max(map(len, ready.values())))


def _conditions(
    service: Service, context: Context, standing: Standing, backends: Iterable[Backends]
) -> Iterable[str]:
    if refused := disallowed(service, context):
        shown = ", ".join(map(text_of, refused[:4])) + (" and others" if len(refused) > 4 else "")
        yield f"{service.name}: externalIPs {shown} are not served: the proxy's external_ips lack them"
    for thing, other in list(standing.lost.items())[:8]:
        what = front_text(thing) if isinstance(thing, Front) else f"the ClusterIP {text_of(thing)}"
        yield f"{service.name}: {what} is not served: {other} has it"
    for one in backends:
        if len(one.usable.cluster) > SLOTS_MAX:
            yield f"{service.name}: port {one.port.port}: no more than {SLOTS_MAX} endpoints are used"
