"""Pod objects as tests write them."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def pod(name: str, *, uid: str = "", node: str = "n1", namespace: str = "default", **spec: Any) -> JsonObject:
    """Return a Pod that is bound to a node; `spec` is put over its spec."""
    container = {"name": "main", "image": "host", "command": ["sleep", "1000"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "nodeName": node,
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 5,
        }
        | spec,
    }


def asking(
    cpu: str | None = None, memory: str | None = None, ports: list[JsonObject] | None = None
) -> JsonObject:
    """Return a container that asks for so much of its node."""
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "main", "image": "host", "resources": {"requests": requests}, "ports": ports or []}
