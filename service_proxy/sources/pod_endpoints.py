"""What a pod is for a service that selects it, and the slices that many of them make. Pure.

As Kubernetes' endpoint slice controller has it (staging/src/k8s.io/endpointslice/utils.go).
"""

from __future__ import annotations

from service_proxy.model import (
    Address,
    Distribution,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Hints,
    Pod,
    Service,
    ServiceName,
    ServicePort,
    SliceName,
)
from service_proxy.slice_objects import shared

Ports = tuple[EndpointPort, ...]
Member = tuple[Ports, Endpoint]
Members = dict[SliceName, dict[int, Member]]  # pod -> family -> what it is there
SIZE = {4: 4, 6: 16}  # bytes of an address


def as_endpoints(service: Service, pod: Pod, zone: str) -> dict[int, Member]:
    """Return what a selected pod is for a service, by family; {} if it is over, or has no address."""
    if pod.is_over:
        return {}
    ports = tuple(port for one in service.ports if (port := _port(one, pod)) is not None)
    found: dict[int, Member] = {}
    for family in service.families:
        if (address := _address(pod, family)) is not None:
            found[family] = ports, _endpoint(service, pod, zone, address)
    return found


def slices_of(name: ServiceName, members: Members) -> dict[SliceName, EndpointSlice]:
    """Return a service's slices: pods of one family whose ports have the same numbers share one, by name."""
    groups: dict[tuple[int, Ports], list[Endpoint]] = {}
    for pod in sorted(members):
        for family, (ports, endpoint) in members[pod].items():
            groups.setdefault((family, ports), []).append(endpoint)
    found = {}
    for (family, ports), endpoints in groups.items():
        key = _slice_name(name, family, ports)
        found[key] = EndpointSlice(key, name, family, ports, tuple(endpoints))
    return found


def _endpoint(service: Service, pod: Pod, zone: str, address: Address) -> Endpoint:
    is_named = pod.hostname and pod.subdomain == service.name.name
    return Endpoint(
        address,
        is_ready=service.publishes_not_ready or (pod.is_ready and not pod.is_terminating),
        is_serving=pod.is_ready,
        is_terminating=pod.is_terminating,
        node=pod.node,
        zone=zone,
        hostname=pod.hostname if is_named else "",
        pod=pod.name.name,
        hints=shared(_hints(service.distribution, pod.node, zone)),
    )


def _hints(distribution: Distribution, node: str, zone: str) -> Hints | None:
    """Return for whom an endpoint is meant (endpointslice/trafficdist): its zone, or its node before that."""
    zones = (zone,) if zone else ()
    if distribution is Distribution.SAME_NODE and node:
        return Hints(zones, (node,))
    return Hints(zones) if distribution is Distribution.SAME_ZONE and zones else None


def _port(wanted: ServicePort, pod: Pod) -> EndpointPort | None:
    """Return where a pod answers for a service's port; None: it has no port of that name."""
    if isinstance(wanted.target, int):
        return EndpointPort(wanted.name, wanted.protocol, wanted.target or wanted.port)
    named = (one for one in pod.ports if one.name == wanted.target and one.protocol == wanted.protocol)
    return next((EndpointPort(wanted.name, wanted.protocol, one.port) for one in named), None)


def _address(pod: Pod, family: int) -> Address | None:
    return next((one for one in pod.addresses if len(one) == SIZE[family]), None)


def _slice_name(service: ServiceName, family: int, ports: Ports) -> SliceName:
    """Name a slice by what it is; the slashes keep it apart from those that somebody wrote."""
    numbers = ",".join(f"{one.name}:{one.port}" for one in ports)
    return SliceName(service.namespace, f"{service.name}/v{family}/{numbers}")
