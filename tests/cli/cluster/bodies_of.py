"""Objects as a cluster has them, for tests."""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject

NOW = 1_795_000_000.0  # seconds of the epoch: 2026-11-18 11:06:40 UTC
BORN = "2026-11-18T11:01:40Z"  # five minutes before


def pod(name: str = "web", /, **status: object) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": BORN},
        "spec": {"nodeName": "node1", "containers": [{"name": "main", "image": "host"}]},
        "status": {"phase": "Running", "podIP": "10.244.1.2", **status},
    }


def waiting(reason: str) -> JsonObject:
    return {"waiting": {"reason": reason}}


def ended(code: int, reason: str = "", **rest: object) -> JsonObject:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **rest}}


RUNS: JsonObject = {"running": {"startedAt": BORN}}


def container(state: JsonObject, name: str = "main", **rest: object) -> JsonObject:
    return {"name": name, "state": state, "ready": "running" in state, "restartCount": 0, **rest}


def true(kind: str) -> JsonObject:
    return {"type": kind, "status": "True"}
