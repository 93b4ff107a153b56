"""Objects that are wrong at some place, whatever their kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.service_proxy.world import (
    pod,
    service,
)

SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
    "metadata": {"name": "odd-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "odd"}},
    "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    "endpoints": [
        {
            "addresses": ["10.244.9.9"], "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "one", "zone": "a", "hostname": "h", "targetRef": {"kind": "Pod", "name": "odd-1"},
            "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "one"}]},
        }
    ],
}  # fmt: skip
ODD = service(
    "odd", "10.96.0.77", clusterIPs=["10.96.0.77"], type="LoadBalancer", sessionAffinity="ClientIP",
    sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10}}, externalTrafficPolicy="Local",
    internalTrafficPolicy="Cluster", externalIPs=["192.0.2.1"], loadBalancerSourceRanges=["10.0.0.0/8"],
    healthCheckNodePort=31000, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack",
    trafficDistribution="PreferClose",
    publishNotReadyAddresses=True, loadBalancerIP="192.0.2.2", allocateLoadBalancerNodePorts=True,
    ports=[{"name": "p", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"}],
) | {
    "metadata": {
        "name": "odd", "namespace": "default", "labels": {"a": "b"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {
            "podwire.io/algorithm": "maglev", "podwire.io/weights": "a=1", "podwire.io/drain": "x",
            "podwire.io/load-balancer-ips": "192.0.2.3",
        },
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9", "ipMode": "VIP"}]}},
}  # fmt: skip
OBJECTS: tuple[dict[str, Any], ...] = (
    ODD,
    SLICE,
    pod("odd-1", "10.244.0.99", app="odd"),
    {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "two", "labels": {"x": "y"}},
        "spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.77"}]},
    },
    {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.111.0.0/24"]},
    },
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd", "labels": {"a": "b"}}},
)  # fmt: skip
EVIL: st.SearchStrategy[object] = st.sampled_from(
    [
        None, True, 0, -1, 1 << 70, 1e308, "", "\0", "\ud800", "None", "10.96.0.5", "::1", "0.0.0.0/0",
        "x" * 300,
        [], {}, [[]], [None], {"": ""}, "../../etc", "80; drop", "１２", "-0", "65536", 65536, 70000,
        "255.255.255.255",
    ]
)  # fmt: skip
JSON = st.recursive(
    EVIL | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(item: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the way to every member, however deep, but to what an object is and which."""
    members = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in members:
        if (*path, key) not in {("kind",), ("apiVersion",), ("metadata",), ("metadata", "name")}:
            yield (*path, key)
        yield from places(value, (*path, key))


def with_other(item: object, path: tuple[object, ...], value: object) -> object:
    """Return an object that has another value at a place."""
    if not path:
        return value
    if isinstance(item, dict):
        return {k: with_other(v, path[1:], value) if k == path[0] else v for k, v in item.items()}
    assert isinstance(item, list)
    return [with_other(v, path[1:], value) if i == path[0] else v for i, v in enumerate(item)]


WRONG = st.sampled_from(OBJECTS).flatmap(
    lambda item: st.builds(with_other, st.just(item), st.sampled_from(list(places(item))), JSON)
)
