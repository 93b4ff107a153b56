"""Services, slices and nodes as a user of Kubernetes writes them: JSON objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from tests.services import places

Json = dict[str, Any]
NAMESPACE = "shop"
PORT, TARGET = 80, 8080
_numbers = count(1)


def new_name(word: str = "web") -> str:
    """Return a name that no other object of this run has."""
    return f"{word}-{next(_numbers)}"


def port(number: int = PORT, target: int | str = TARGET, protocol: str = "TCP", **more: Any) -> Json:
    return {"port": number, "targetPort": target, "protocol": protocol} | more


def service(
    name: str, cluster_ips: Sequence[str], ports: Sequence[Json] = (), *, labels: Json | None = None,
    annotations: Json | None = None, status: Json | None = None, **spec: Any,
) -> Json:  # fmt: skip
    """Return a Service; further members of `spec` by their names."""
    body = {"clusterIPs": list(cluster_ips), "clusterIP": cluster_ips[0]} if cluster_ips else {}
    families = ["IPv6" if ":" in one else "IPv4" for one in cluster_ips if one != "None"]
    body |= {"type": "ClusterIP", "ports": list(ports) or [port()], "ipFamilies": families} | spec
    metadata: Json = {"name": name, "namespace": NAMESPACE, "labels": labels or {}}
    if annotations:
        metadata["annotations"] = annotations
    made: Json = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body}
    return made | ({"status": status} if status else {})


def load_balancer_status(*addresses: str, mode: str = "") -> Json:
    """Return the status of a service whose load balancer has these addresses."""
    more = {"ipMode": mode} if mode else {}
    return {"loadBalancer": {"ingress": [{"ip": address} | more for address in addresses]}}


def endpoint(address: str, *, node: str | None = "", **more: Any) -> Json:
    """Return an endpoint on the node that its address tells; `ready`, `serving`, ... are conditions."""
    words = ("ready", "serving", "terminating")
    conditions = {word: more.pop(word) for word in words if word in more}
    where = _node_of(address) if node == "" else node
    made: Json = {"addresses": [address], "conditions": conditions} | more
    return made | ({"nodeName": where} if where else {})


def _node_of(address: str) -> str | None:
    near = [places.PODS_A[version] for version in (4, 6)] + [places.node_address(v) for v in (4, 6)]
    far = [places.PODS_B[version] for version in (4, 6)] + [places.far_address(v) for v in (4, 6)]
    if any(address.startswith(one) for one in near):
        return places.NODE_NAME
    return places.FAR_NAME if any(address.startswith(one) for one in far) else None


def endpoint_slice(
    service_name: str, endpoints: Sequence[Json], ports: Sequence[Json] = (), *, suffix: str = "",
    labels: Json | None = None,
) -> Json:  # fmt: skip
    """Return a slice of a service; its family is the first endpoint's."""
    is_six = bool(endpoints) and ":" in endpoints[0]["addresses"][0]
    name = f"{service_name}-{6 if is_six else 4}{suffix}"
    labels = {"kubernetes.io/service-name": service_name} | (labels or {})
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv6" if is_six else "IPv4",
        "ports": list(ports) or [slice_port()], "endpoints": list(endpoints),
    }  # fmt: skip


def slice_port(number: int | None = TARGET, name: str = "", protocol: str = "TCP") -> Json:
    return {"name": name, "protocol": protocol} | ({"port": number} if number is not None else {})


def node(name: str, addresses: Sequence[str], pod_cidrs: Sequence[str], zone: str, **more: Any) -> Json:
    """Return a Node."""
    labels = {"kubernetes.io/hostname": name} | ({"topology.kubernetes.io/zone": zone} if zone else {})
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels} | more,
        "spec": {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)},
        "status": {"addresses": [{"type": "InternalIP", "address": one} for one in addresses]},
    }  # fmt: skip


def service_cidr(name: str, cidrs: Sequence[str]) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": name},
        "spec": {"cidrs": list(cidrs)},
    }  # fmt: skip


def service_cidrs() -> list[Json]:
    """Return the ranges that a cluster begins with."""
    return [service_cidr("kubernetes", list(places.SERVICE_CIDRS.values()))]


def namespace(name: str = NAMESPACE) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
