"""A cluster's services as a source tells of them: read from JSON, one object after the other.

Service n has an address, one port and its endpoints, each on a node of its own; names are as long as
deployments make them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from bench.proxy_chains import PORT, TARGET, cluster_ip, endpoint, endpoints_of
from service_proxy.catalogue import Changed, Event, Key, Kind, Listed, Value
from service_proxy.model import EndpointSlice
from service_proxy.objects import key_of, parse

NODE = "node-0"


def whole(services: int, each: int) -> list[Event]:
    """Return all there is of every kind."""
    found = {kind: _listed(kind, ()) for kind in Kind}
    found[Kind.SERVICE] = _listed(Kind.SERVICE, (service(n) for n in range(services)))
    found[Kind.SLICE] = _listed(Kind.SLICE, (slice_of(n, endpoints_of(n, each)) for n in range(services)))
    return list(found.values())


def replaced(number: int, each: int, by: int) -> Changed:
    """Return that one endpoint of a service is another now, the `by`-th of all."""
    addresses = endpoints_of(number, each)
    addresses[each // 2] = endpoint(by)
    return _changed(number, addresses)


def scaled(number: int, each: int) -> Changed:
    """Return that a service has so many endpoints now."""
    return _changed(number, [endpoint(number * 16 + index) for index in range(each)])


def service(number: int) -> dict[str, object]:
    """Return a Service as JSON."""
    app = {"app.kubernetes.io/name": f"web-{number}"}
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "namespace": "default", "name": f"web-{number}", "labels": app, "resourceVersion": f"{number}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "clusterIP": cluster_ip(number), "clusterIPs": [cluster_ip(number)], "selector": app,
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": TARGET}],
        },
    }  # fmt: skip


def slice_of(number: int, addresses: Iterable[str]) -> dict[str, object]:
    """Return a service's EndpointSlice as JSON."""
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default", "name": f"web-{number}-x7k2p",
            "labels": {"kubernetes.io/service-name": f"web-{number}"},
        },
        "addressType": "IPv4", "ports": [{"name": "http", "port": TARGET, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address], "conditions": {"ready": True}, "nodeName": f"node-{index + 1}",
                "zone": f"zone-{index % 3}",
                "targetRef": {"kind": "Pod", "name": f"web-{number}-7d4b9c6f5d-{index:05}"},
            }
            for index, address in enumerate(addresses)
        ],
    }  # fmt: skip


def _changed(number: int, addresses: list[str]) -> Changed:
    value = parse(Kind.SLICE, slice_of(number, addresses))
    return Changed(Kind.SLICE, cast(EndpointSlice, value).name, value)


def _listed(kind: Kind, items: Iterable[dict[str, object]]) -> Listed:
    found: dict[Key, Value] = {}
    for item in items:
        value = parse(kind, item)
        found[key_of(value)] = value
    return Listed(kind, found)
