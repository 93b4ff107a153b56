"""What the lab's nodes read of services: objects in Kubernetes' form, in a registry that all agents follow.

The lab writes what a kubelet would: a Node for each node, a Pod for each pod that has labels or serves, ready
when its server listens. Endpoints follow from those by selectors (`service_proxy.sources.pod_slices`).
Everything is written from the lab's process 1: a node may have lost its way to the registry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cni_spec.json_input import JsonObject
from pod_runner.cluster.metadata import new_uid, time_text
from pod_runner.node.wanted import SOURCE
from podwire.lab.blueprint import Blueprint
from podwire.lab.errors import LabError
from podwire.lab.inside import Work
from podwire.lab.pods import Pod, Wish

if TYPE_CHECKING:
    from service_proxy.sources.object_store import ObjectStore

NAMESPACE = "default"
PORT_NAME = "http"
GONE = "2026-01-01T00:00:00Z"  # a deletionTimestamp; only that there is one counts


def node_object(blueprint: Blueprint, node: str) -> JsonObject:
    """Return a Node."""
    given = [blueprint.address(node), *([blueprint.address6(node)] if blueprint.dual_stack else [])]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node, "labels": {"kubernetes.io/hostname": node}},
        "status": {"addresses": [{"type": "InternalIP", "address": one} for one in given]},
    }


def pod_object(pod: Pod, wish: Wish) -> JsonObject:
    """Return a Pod that is ready."""
    ports = [{"name": PORT_NAME, "containerPort": wish.port}] if wish.port else []
    now = time_text(time.time())
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": object_name(pod),
            "namespace": NAMESPACE,
            "labels": dict(wish.labels),
            "uid": new_uid(),
            "creationTimestamp": now,
            "annotations": {SOURCE: "lab"},
        },
        "spec": {"nodeName": pod.node, "containers": [{"name": "web", "ports": ports}]},
        "status": {
            "phase": "Running",
            "startTime": now,
            "containerStatuses": [{"name": "web", "ready": True, "state": {"running": {"startedAt": now}}}],
            "podIP": pod.addresses[0],
            "podIPs": [{"ip": one} for one in pod.addresses],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def object_name(pod: Pod) -> str:
    """Return what a pod is called among those of all nodes."""
    return f"{pod.node}-{pod.name}"


def put_nodes(blueprint: Blueprint, lab: int, nodes: Iterable[str]) -> None:
    """Write the nodes' objects."""
    bodies = [node_object(blueprint, node) for node in nodes]
    _change(blueprint, lab, lambda store: _put(store, bodies))


def put_pods(blueprint: Blueprint, lab: int, pods: Sequence[Pod], wish: Wish) -> None:
    """Write pods' objects."""
    bodies = [pod_object(pod, wish) for pod in pods]
    _change(blueprint, lab, lambda store: _put(store, bodies))


def put_objects(blueprint: Blueprint, lab: int, bodies: Sequence[JsonObject]) -> None:
    """Write any objects, services for one."""
    _change(blueprint, lab, lambda store: _put(store, bodies))


def set_ready(blueprint: Blueprint, lab: int, name: str, *, is_ready: bool) -> None:
    """Say whether a pod wants traffic. Raises LabError if it is not known here."""
    if not _change_pod(blueprint, lab, name, lambda body: _with_ready(body, is_ready=is_ready)):
        raise LabError(f"no service can lead to {name}: it was made without --label and --serve")


def begin_leaving(blueprint: Blueprint, lab: int, name: str) -> bool:
    """Say that a pod is about to end: it gets nothing new; tell whether it is known here."""
    return _change_pod(blueprint, lab, name, _leaving)


def remove_pod_object(blueprint: Blueprint, lab: int, name: str) -> None:
    """Take a pod's object away."""

    def act(store: ObjectStore) -> bool:
        from service_proxy.catalogue import Kind
        from service_proxy.model import SliceName

        return store.delete(Kind.POD, SliceName(NAMESPACE, name))

    _change(blueprint, lab, act)


def remove_node_object(blueprint: Blueprint, lab: int, node: str) -> None:
    """Take a node's object away, and those of the pods it had."""

    def act(store: ObjectStore) -> bool:
        from service_proxy.catalogue import Kind
        from service_proxy.sources.identity import key_of

        for body in store.list(Kind.POD):
            spec = body.get("spec")
            if isinstance(spec, dict) and spec.get("nodeName") == node:
                store.delete(Kind.POD, key_of(Kind.POD, body))
        return store.delete(Kind.NODE, node)

    _change(blueprint, lab, act)


def _change_pod(
    blueprint: Blueprint, lab: int, name: str, change: Callable[[JsonObject], JsonObject]
) -> bool:
    """Change a pod's object where there is one; tell whether there is."""

    def act(store: ObjectStore) -> bool:
        from service_proxy.catalogue import Kind
        from service_proxy.model import SliceName

        after = store.change(
            Kind.POD, SliceName(NAMESPACE, name), lambda body: change(body) if body else None
        )
        return after is not None

    return _change(blueprint, lab, act)


def _change(blueprint: Blueprint, lab: int, act: Callable[[ObjectStore], bool]) -> bool:
    """Do something with the objects' store from within the lab; tell what `act` told."""

    def visit() -> JsonObject:
        from cluster_store.opening import open_store
        from cluster_store.store import StoreRefused, StoreUnavailable
        from service_proxy.sources.object_store import ObjectStore
        from service_proxy.sources.opening import PREFIX

        try:
            store = open_store(blueprint.services_url)
            return {"done": act(ObjectStore(store, PREFIX))}
        except (StoreRefused, StoreUnavailable) as error:
            raise LabError(f"{error}") from error

    return bool(Work("objects of services", lab, visit).result()["done"])


def _put(store: ObjectStore, bodies: Iterable[JsonObject]) -> bool:
    from service_proxy.sources.identity import kind_of

    for body in bodies:
        kind = kind_of(body)
        assert kind is not None
        store.put(kind, body)
    return True


def _with_ready(body: JsonObject, *, is_ready: bool) -> JsonObject:
    status = body["status"]
    assert isinstance(status, dict)
    conditions = [{"type": "Ready", "status": "True" if is_ready else "False"}]
    return body | {"status": status | {"conditions": conditions}}


def _leaving(body: JsonObject) -> JsonObject:
    """Return a pod that is about to end, and not ready: else it would be used on where it is the last."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    return _with_ready(body, is_ready=False) | {"metadata": metadata | {"deletionTimestamp": GONE}}
