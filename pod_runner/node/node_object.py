"""This node as an object of the cluster: what it has, where it is, may pods come. Pure."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, rows, table, text, words
from pod_runner.cluster.kinds import NODE
from pod_runner.node.admission import Room

# platform.machine() -> Go's names, which everybody uses in labels
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
HEARTBEATS = "/podwire/heartbeats/"  # a key for each node, under a lease: it is there while its node is
OWN_LABELS = "podwire.io/labels"  # an annotation: which labels agent.toml has set, so that they can go again
OWN_TAINTS = "podwire.io/taints"
READY, NOT_READY = ("KubeletReady", "podwire runs pods"), "KubeletNotReady"
MEMORY_KIB = "MemTotal"  # of /proc/meminfo, in KiB


@dataclass(frozen=True)
class NodeFacts:
    """What is said of a node. `trouble`: why no pod can run here, "" if they can."""

    name: str
    room: Room
    address: str = ""
    labels: Mapping[str, str] | None = None
    taints: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    trouble: str = ""
    kernel: str = ""
    machine: str = ""
    boot_id: str = ""
    version: str = ""


def look_at_room(meminfo: str, most_pods: int) -> Room:
    """Return what this machine has for pods; `meminfo` is the text of /proc/meminfo."""
    lines = (line.split() for line in meminfo.splitlines())
    kib = next((int(line[1]) for line in lines if line and line[0] == f"{MEMORY_KIB}:"), 0)
    return Room(cpu=float(len(os.sched_getaffinity(0))), memory=kib << 10, pods=most_pods)


def heartbeat_key(node: str) -> str:
    """Return the key that lives as long as a node does."""
    return f"{HEARTBEATS}{node}"


def fresh(facts: NodeFacts, now: str) -> JsonObject:
    """Return the Node as it is first written."""
    return told(
        {"kind": NODE.kind, "apiVersion": NODE.api_version, "metadata": {"name": facts.name}}, facts, now
    )


def told(before: JsonObject, facts: NodeFacts, now: str) -> JsonObject:
    """Return the Node with what this node says of itself; labels, taints and marks of others stay.

    `now` as objects have it, for what has changed.
    """
    labels, taints = dict(facts.labels or {}), [taint(one) for one in facts.taints]
    annotations = words(before, "metadata", "annotations")
    set_before = set(filter(None, annotations.get(OWN_LABELS, "").split(",")))
    tainted_before = set(filter(None, annotations.get(OWN_TAINTS, "").split(",")))
    kept = {key: value for key, value in words(before, "metadata", "labels").items() if key not in set_before}
    others = [one for one in rows(before, "spec", "taints") if _mark(one) not in tainted_before]
    mine = [one for one in taints if _mark(one) not in {_mark(other) for other in others}]
    own = {OWN_LABELS: ",".join(sorted(labels)), OWN_TAINTS: ",".join(map(_mark, taints))}
    annotations = {key: value for key, value in (annotations | own).items() if value or key not in own}
    spec = {**table(before, "spec"), "taints": [*others, *mine]}
    if facts.pod_cidrs:
        spec |= {"podCIDR": facts.pod_cidrs[0], "podCIDRs": list(facts.pod_cidrs)}
    metadata = {
        **table(before, "metadata"),
        "labels": kept | _well_known(facts) | labels,
        "annotations": annotations,
    }
    return {
        **before,
        "metadata": metadata,
        "spec": spec,
        "status": _status(table(before, "status"), facts, now),
    }


def taint(written: str) -> JsonObject:
    """Return the taint that agent.toml writes as "key=value:Effect"."""
    rest, _, effect = written.rpartition(":")
    key, equals, value = rest.partition("=")
    body: JsonObject = {"key": key, "effect": effect}
    return body | {"value": value} if equals else body


def _mark(one: JsonObject) -> str:
    return f"{text(one, 'key')}:{text(one, 'effect')}"


def _well_known(facts: NodeFacts) -> dict[str, str]:
    architecture = ARCHITECTURES.get(facts.machine, facts.machine)
    return {
        "kubernetes.io/hostname": facts.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture,
    }  # fmt: skip


def _status(before: JsonObject, facts: NodeFacts, now: str) -> JsonObject:
    has = {
        "cpu": f"{facts.room.cpu:g}", "memory": f"{facts.room.memory >> 10}Ki", "pods": str(facts.room.pods),
    }  # fmt: skip
    addresses = [{"type": "InternalIP", "address": facts.address}] if facts.address else []
    reason, message = (NOT_READY, facts.trouble) if facts.trouble else READY
    ready = _condition(before, "Ready", str(not facts.trouble), reason, message, now)
    others = [one for one in rows(before, "conditions") if text(one, "type") != "Ready"]
    return {
        **before,
        "capacity": has,
        "allocatable": has,
        "addresses": [*addresses, {"type": "Hostname", "address": facts.name}],
        "conditions": [*others, ready],
        "nodeInfo": {
            "kernelVersion": facts.kernel, "operatingSystem": "linux", "bootID": facts.boot_id,
            "architecture": ARCHITECTURES.get(facts.machine, facts.machine),
            "containerRuntimeVersion": f"podwire://{facts.version}",
            "kubeletVersion": f"podwire {facts.version}",
        },
    }  # fmt: skip


def _condition(before: JsonObject, kind: str, status: str, reason: str, message: str, now: str) -> JsonObject:
    """Return a condition; one that is as it was keeps its times, so that nothing has changed."""
    was = next((one for one in rows(before, "conditions") if text(one, "type") == kind), {})
    body: JsonObject = {"type": kind, "status": status, "reason": reason, "message": message}
    if all(was.get(key) == value for key, value in body.items()):
        return was
    since = text(was, "lastTransitionTime") if was.get("status") == status else ""
    return {**body, "lastHeartbeatTime": now, "lastTransitionTime": since or now}


def machine_facts() -> tuple[str, str]:
    """Return kernel release and machine of this computer."""
    return platform.release(), platform.machine()
