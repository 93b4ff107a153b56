"""What a node says of itself as JSON: for `podwire pod`, `podwire top` and whoever asks the agent."""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject, rows, text
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.node import PodNode
from pod_runner.node.pods import LocalPod
from pod_runner.node.stats import PodUsage, pod_usage


def status(node: PodNode) -> JsonObject:
    """Return how the node is."""
    with node.lock:
        local = list(node.known.local.values())
        return {
            "node": node.places.name,
            "synced": node.known.is_synced,
            "heard": node.parts.heartbeat.is_heard.is_set(),
            "wanted": len(node.known.wanted),
            "pods": len(local),
            "supervised": sum(one.is_supervised for one in local),
            "unwritten": node.parts.reports.waiting,
            "spawner": node.parts.spawner.pid,
            "conditions": node.conditions.as_json(),
        }


def pods(node: PodNode) -> list[JsonObject]:
    """Return all pods that are here."""
    with node.lock:
        local = list(node.known.local.values())
        return [_pod(one) for one in local if one.pod is not None]


def usages(node: PodNode, cgroups: Cgroups) -> list[PodUsage]:
    """Measure all pods that are here."""
    with node.lock:
        local = [one for one in node.known.local.values() if one.pod is not None]
        named = [(one.pod, one.folder, containers_of(one)) for one in local]
    parent = node.places.cgroup_parent
    return [
        pod_usage(cgroups, parent, folder, pod.namespace, pod.name, containers)
        for pod, folder, containers in named
        if pod is not None
    ]


def stats(node: PodNode, cgroups: Cgroups) -> list[JsonObject]:
    """Return what each pod uses; times in nanoseconds, sizes in bytes."""
    return [
        {
            "uid": one.uid,
            "namespace": one.namespace,
            "name": one.name,
            "total": one.total._asdict(),
            "containers": {name: usage._asdict() for name, usage in one.containers.items()},
            "interfaces": [interface._asdict() for interface in one.interfaces],
        }
        for one in usages(node, cgroups)
    ]


def containers_of(local: LocalPod) -> list[str]:
    """Return the names of a pod's containers, those that begin it first."""
    return [
        text(one, "name")
        for key in ("initContainerStatuses", "containerStatuses")
        for one in rows(local.status, key)
    ]


def _pod(local: LocalPod) -> JsonObject:
    assert local.pod is not None
    return {
        "uid": local.uid,
        "namespace": local.pod.namespace,
        "name": local.pod.name,
        "folder": str(local.folder),
        "supervised": local.is_supervised,
        "stopped": local.stopped is not None,
        "deaths": local.deaths,
        "status": local.status,
    }
