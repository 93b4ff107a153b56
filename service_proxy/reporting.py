"""What a node's services are, as JSON: what is served and how, who answers, how much. For who asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from cni_spec.json_input import JsonObject
from linuxnet.flow_counts import Flow, count_flows
from linuxnet.nft_keys import PROTOCOLS
from linuxnet.packed import text_of
from linuxnet.service_entries import Front, Target
from linuxnet.service_table import ServiceTable
from linuxnet.service_wire import Counted
from service_proxy.backends import Backends
from service_proxy.figures import Histogram
from service_proxy.front_ends import Exposed, exposed, is_served
from service_proxy.model import Endpoint, EndpointSlice, Service, ServiceName
from service_proxy.node import ServiceNode
from service_proxy.usable import merge
from service_proxy.wanted import Wanted

_COUNTED = {
    True: ("services", "outside"),
    False: ("nodeports", "outside_nodeports"),
}  # with an address or not

Counts = Mapping[tuple[str, bytes], Counted]


def status(node: ServiceNode) -> JsonObject:
    """Return how this node stands: source, what is served, how long it takes, what is wrong."""
    with node.lock:
        catalogue, figures = node.catalogue, node.figures
        return {
            "node": node.settings.node_name,
            "source": node.source.name,
            "complete": catalogue.is_complete,
            "waiting_for": sorted(kind.value for kind in catalogue.missing),
            "programs": node.programs,  # else DNS alone is served
            "synced": node.is_synced,
            "services": len(catalogue.services),
            "endpoints": sum(len(one.endpoints) for one in catalogue.slices.values()),
            "entries": dict(figures.entries),
            "programming": _times(figures.programming),
            "syncs": {kind: _times(one) for kind, one in figures.syncs.items()},
            "failures": figures.failures,
            "conditions": conditions(node),
        }


def conditions(node: ServiceNode) -> list[JsonObject]:
    """Return what is not as it should be, of the loop and of its source."""
    found = list(node.conditions.as_json())
    return found + [one._asdict() for one in node.source.conditions()]


def services(node: ServiceNode) -> list[JsonObject]:
    """Return all services, one line each, by name."""
    with node.lock:
        known = node.catalogue.services
        return [_line(node, known[name]) for name in sorted(known)]


def leads(node: ServiceNode, most: int) -> JsonObject:
    """Return the first services by name with all they lead to, and how many there are: for a map of them."""
    with node.lock:
        known = node.catalogue.services
        found = [_facts(known[name]) | {"back_ends": _leads_to(node, name)} for name in sorted(known)[:most]]
        return {"total": len(known), "services": found}


def _leads_to(node: ServiceNode, name: ServiceName) -> list[JsonObject]:
    endpoints = {
        one.address: {
            "address": text_of(one.address), "pod": one.pod, "node": one.node, "is_ready": one.is_ready,
        }
        for each in node.catalogue.slices_of(name)
        for one in each.endpoints
    }  # fmt: skip
    return [endpoints[address] for address in sorted(endpoints)]


def show(node: ServiceNode, name: ServiceName) -> JsonObject | None:
    """Return one service: front ends and what they had, back ends and what they have; None: there is none."""
    with node.lock:
        service = node.catalogue.services.get(name)
        if service is None:
            return None
        wanted = node.decider.look(name)
        fronts = exposed(service, node.decider.context) if is_served(service, node.decider.context) else []
        slices = node.catalogue.slices_of(name)
    counts = _counts() if fronts else {}
    flows = {family: count_flows(family) for family in {one.family for one in wanted.backends}}
    return _facts(service) | {
        "front_ends": [_front(one, counts) for one in fronts],
        "back_ends": list(_back_ends(service, wanted, fronts, slices, flows)),
        "conditions": list(wanted.conditions),
    }


def _line(node: ServiceNode, service: Service) -> JsonObject:
    endpoints = [one for each in node.catalogue.slices_of(service.name) for one in each.endpoints]
    return _facts(service) | {
        "endpoints": len({one.address for one in endpoints}),
        "ready": len({one.address for one in endpoints if one.is_ready}),
    }


def _facts(service: Service) -> JsonObject:
    addresses = (*service.cluster_ips, *service.load_balancer_ips, *service.external_ips)
    return {
        "namespace": service.name.namespace,
        "name": service.name.name,
        "type": "Headless" if service.is_headless else service.type.value,
        "external_name": service.external_name,
        "addresses": [text_of(one) for one in addresses],
        "ports": [
            {
                "name": port.name, "protocol": port.protocol, "port": port.port, "node_port": port.node_port,
                "target": port.target,
            }
            for port in service.ports
        ],
        "algorithm": service.algorithm.value,
        "affinity": service.affinity_timeout,
        "internal_policy": "Local" if service.is_local_inside else "Cluster",
        "external_policy": "Local" if service.is_local_outside else "Cluster",
    }  # fmt: skip


def _front(one: Exposed, counts: Counts) -> JsonObject:
    front = one.front
    names = [f"{name}{front.family}" for name in _COUNTED[bool(front.address)]]
    seen = [counts[name, front.key] for name in names if (name, front.key) in counts]
    return {
        "reach": one.reach.name.lower(),
        "family": front.family,
        "address": text_of(front.address) if front.address else "",
        "protocol": front.protocol,
        "port": front.port,
        "connections": sum(each.packets for each in seen),
    }


def _back_ends(
    service: Service,
    wanted: Wanted,
    fronts: list[Exposed],
    slices: tuple[EndpointSlice, ...],
    flows: Mapping[int, Counter[Flow]],
) -> Iterator[JsonObject]:
    for one in wanted.backends:
        known = merge(one.port, one.family, slices)
        share = Counter(one.cluster)
        own = [each.front for each in fronts if each.port == one.port and each.front.family == one.family]
        led = _led(flows[one.family], one, own)
        for target, endpoint in sorted(known.items(), key=lambda item: item[0]):
            yield {
                "port": one.port.name or str(one.port.port),
                "address": text_of(target[0]),
                "target": target[1],
                "pod": endpoint.pod,
                "node": endpoint.node,
                "zone": endpoint.zone,
                "condition": _condition(endpoint, target, one),
                "share": round(share[target] / len(one.cluster), 4) if one.cluster else 0.0,
                "is_here": target in one.local,
                "flows": led[target],
            }


def _led(flows: Counter[Flow], one: Backends, fronts: list[Front]) -> Counter[Target]:
    """Return how many flows of these front ends each endpoint answers."""
    number = PROTOCOLS[one.port.protocol]
    at = {(front.address, front.port) for front in fronts}
    found: Counter[Target] = Counter()
    for flow, times in flows.items():
        if flow.protocol == number and ((flow.to, flow.port) in at or (b"", flow.port) in at):
            found[flow.answered_by, flow.answering_port] += times
    return found


def _condition(endpoint: Endpoint, target: Target, one: Backends) -> str:
    if endpoint.is_terminating:
        return "terminating, serving" if endpoint.is_serving else "terminating"
    if not endpoint.is_ready:
        return "not ready"
    return "ready" if target in one.cluster else "ready, not used here"


def _counts() -> Counts:
    """Return what front ends had, of the calling thread's namespace."""
    table = ServiceTable()
    try:
        return {(entry.name, entry.key): counted for entry, counted in table.counters().items()}
    finally:
        table.close()


def _times(one: Histogram) -> JsonObject:
    return {"count": one.count, "p50": one.quantile(0.5), "p99": one.quantile(0.99)}
