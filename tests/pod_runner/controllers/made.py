"""Objects as tests need them."""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject

REVISION = "rev"


def template(revision: str = "1", labels: dict[str, str] | None = None, **spec: object) -> JsonObject:
    """Return a pod template; `revision` tells templates apart."""
    return {
        "metadata": {"labels": labels or {"app": "web"}},
        "spec": {
            "containers": [{"name": "c", "image": "host", "env": [{"name": REVISION, "value": revision}]}]
        }
        | spec,
    }


def deployment(name: str = "web", replicas: int = 3, revision: str = "1", **spec: object) -> JsonObject:
    """Return a deployment of namespace default."""
    labels = {"app": name}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template(revision, labels),
        }
        | spec,
    }


def replica_set(name: str = "web", replicas: int = 3, **spec: object) -> JsonObject:
    """Return a replica set of namespace default."""
    return {**deployment(name, replicas, "1", **spec), "kind": "ReplicaSet"}


def node(
    name: str, *, cpu: str = "8", memory: str = "16Gi", pods: str = "1100", **spec: object
) -> JsonObject:
    """Return a node that is ready."""
    room = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }
