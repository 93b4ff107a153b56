"""Kubernetes-shaped objects as a test writes them."""

from __future__ import annotations

from tests.kube_api.collection import Json


def service(name: str, address: str = "10.96.0.1", **spec: object) -> Json:
    """Return a Service with one port."""
    given = {"clusterIP": address, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _named(name), "spec": given}


def endpoints(name: str, *addresses: str, service: str = "web", **labels: str) -> Json:
    """Return an EndpointSlice."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**_named(name), "labels": {"kubernetes.io/service-name": service, **labels}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [one]} for one in addresses],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def pod(name: str, address: str, *, is_ready: bool = True, node: str = "n1", **labels: str) -> Json:
    """Return a Pod with a port called "web"."""
    ready = {"type": "Ready", "status": "True" if is_ready else "False"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_named(name), "labels": labels},
        "spec": {"nodeName": node, "containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIPs": [{"ip": address}], "conditions": [ready]},
    }


def node(name: str, zone: str = "") -> Json:
    """Return a Node."""
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def _named(name: str) -> Json:
    return {"namespace": "default", "name": name}
