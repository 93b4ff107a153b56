"""Which endpoints a service's port has: the cluster's list and this node's own. Pure.

As kube-proxy chooses them: ready ones, by the hints for this node or its zone if all of them have such hints;
if none is ready, those that terminate and still serve. Both lists fall back by themselves, and hints are of
no matter to this node's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from linuxnet.packed import text_of
from linuxnet.service_entries import Target
from service_proxy.model import Address, Endpoint, EndpointSlice, Service, ServicePort

Merged = dict[Target, Endpoint]
ENDPOINTS_MAX = 65536  # of one port in one family that are looked at: no list has more slots


class Usable(NamedTuple):
    """Who may get new connections, in no order; and what else follows from a port's endpoints."""

    cluster: tuple[Target, ...] = ()
    local: tuple[Target, ...] = ()
    has_any: bool = False  # on whatever node: without any, clients are refused and not left waiting
    serving: frozenset[Target] = frozenset()  # whose connections go on, drained or not
    local_addresses: frozenset[Address] = frozenset()  # of all that this node has, usable or not
    local_ready: frozenset[Address] = frozenset()


NONE = Usable()


def usable(
    service: Service, port: ServicePort, family: int, slices: Iterable[EndpointSlice], node: str, zone: str
) -> Usable:
    """Return the endpoints of one port in one family, as this node in its zone has to use them."""
    merged = merge(port, family, slices)
    if not merged:
        return NONE
    # `node` "" would make everybody local that is on no node
    local = {target: one for target, one in merged.items() if one.node == node} if node else {}
    asked = _without_drained(service, merged) if service.weights or service.drained else merged
    ready = [target for target, one in asked.items() if one.is_ready]
    own_ready = [target for target in local if local[target].is_ready and target in asked] if local else []
    last = [] if len(ready) == len(asked) else [target for target, one in asked.items() if _is_last(one)]
    return Usable(
        cluster=tuple(near(asked, ready, node, zone) if ready else last),
        local=tuple(own_ready or [target for target in last if target in local]),
        has_any=bool(ready or last),
        serving=frozenset([target for target, one in merged.items() if one.is_serving or one.is_ready]),
        local_addresses=frozenset([address for address, _ in local]),
        local_ready=frozenset([address for address, _ in own_ready]),
    )


def has_only_others(slices: Iterable[EndpointSlice], node: str) -> bool:
    """Tell whether a service has endpoints that can be used, and none of them on this node."""
    able = [one for each in slices for one in each.endpoints if one.is_ready or _is_last(one)]
    return bool(able) and all(one.node != node for one in able)


def merge(port: ServicePort, family: int, slices: Iterable[EndpointSlice]) -> Merged:
    """Return the endpoints of all slices, each once: of two that say different things, the better.

    One more than are looked at tells that there are more.
    """
    merged: Merged = {}
    for one in slices:
        if one.family != family:
            continue
        for name, protocol, number in one.ports:
            if name != port.name or protocol != port.protocol:
                continue
            for endpoint in islice(one.endpoints, ENDPOINTS_MAX + 1 - len(merged)):
                target = (endpoint.address, number)
                other = merged.setdefault(target, endpoint)
                if other is not endpoint and _rank(endpoint) > _rank(other):
                    merged[target] = endpoint
    return merged


def near(merged: Merged, ready: Sequence[Target], node: str, zone: str) -> Sequence[Target]:
    """Return the ready ones that hints mean for this node, else for its zone; without such hints, all."""
    hints = [merged[target].hints for target in ready]
    if None in hints:
        return ready
    known = [one for one in hints if one is not None]
    for names, here in (([one.nodes for one in known], node), ([one.zones for one in known], zone)):
        if all(names) and here:
            found = [target for target, meant in zip(ready, names, strict=True) if here in meant]
            if found:
                return found
    return ready


def weight_of(service: Service, address: Address, endpoint: Endpoint) -> int:
    """Return an endpoint's weight: by its pod's name, its address, its node's name; 1 if none is named."""
    weights = service.weights
    for name in (endpoint.pod, text_of(address), endpoint.node):
        if name and name in weights:
            return weights[name]
    return 1


def _without_drained(service: Service, merged: Merged) -> Merged:
    return {
        target: one
        for target, one in merged.items()
        if service.drained.isdisjoint((one.pod, text_of(target[0]), one.node))
        and weight_of(service, target[0], one) > 0
    }


def _is_last(one: Endpoint) -> bool:
    """Tell whether it is of use if nobody is ready."""
    return one.is_terminating and one.is_serving


def _rank(one: Endpoint) -> tuple[bool, bool, bool, bool]:
    return not one.is_terminating, one.is_ready, one.is_serving, bool(one.node)
