"""A service's endpoints, port by port, in the slots from which front ends choose. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from linuxnet.service_entries import Target
from service_proxy.front_ends import Context
from service_proxy.model import Algorithm, EndpointSlice, Service, ServicePort
from service_proxy.slots import arrange, counts, maglev
from service_proxy.usable import Usable, merge, usable, weight_of

ListKey = tuple[str, str, int, bool]  # port's name, protocol, family, whether it is the Local list
Lists = Mapping[ListKey, Sequence[Target]]


class Backends(NamedTuple):
    """A port's endpoints in one family, in their slots (or Maglev's table)."""

    port: ServicePort
    family: int
    cluster: Sequence[Target]
    local: Sequence[Target]  # this node's; () where no policy asks for them
    usable: Usable


def backends_of(
    service: Service, slices: Sequence[EndpointSlice], context: Context, before: Lists
) -> list[Backends]:
    """Return each port's endpoints in each family that has a ClusterIP; `before` are the slots of now."""
    found = []
    for ip in service.cluster_ips:
        family = 4 if len(ip) == 4 else 6
        for port in service.ports:
            who = usable(service, port, family, slices, context.node, context.zone)
            weights = _weights(service, port, family, slices, who) if service.weights and who.has_any else {}
            key = (port.name, port.protocol, family)
            cluster = _slots(service, who.cluster, weights, before.get((*key, False), ()))
            local: Sequence[Target] = ()
            if service.is_local_inside or service.is_local_outside:
                local = _slots(service, who.local, weights, before.get((*key, True), ()))
            found.append(Backends(port, family, cluster, local, who))
    return found


def lists_of(backends: Iterable[Backends]) -> Lists:
    """Return the slots, for the decision after this one."""
    return {
        (one.port.name, one.port.protocol, one.family, is_local): targets
        for one in backends
        for is_local, targets in ((False, one.cluster), (True, one.local))
        if targets
    }


def _slots(
    service: Service, targets: Sequence[Target], weights: Mapping[Target, int], before: Sequence[Target]
) -> Sequence[Target]:
    if not targets:
        return ()
    shares = {target: weights[target] for target in targets} if weights else dict.fromkeys(targets, 1)
    if service.algorithm is not Algorithm.RANDOM:
        return maglev(shares)
    return arrange(before, counts(shares) if weights else shares)


def _weights(
    service: Service, port: ServicePort, family: int, slices: Iterable[EndpointSlice], who: Usable
) -> dict[Target, int]:
    merged = merge(port, family, slices)
    return {target: weight_of(service, target[0], merged[target]) for target in (*who.cluster, *who.local)}
