"""A Pod object of this node -> what the node decides by: a small value, or one sentence why it is none. Pure.

A pod's uid names its folder, its cgroup and its container id, so it is judged here, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pod_runner.cluster.bodies import JsonObject, text
from pod_runner.manifests.quantity import cpu, memory
from service_proxy.object_members import Members, WrongMember

DEFAULT_GRACE = 30.0  # seconds; Kubernetes' terminationGracePeriodSeconds
FORCED_GRACE = 1.0  # seconds for pods whose object has gone; what replaces them may be running already
LONGEST_GRACE = 86_400
OVER = ("Succeeded", "Failed")
SOURCE = "kubernetes.io/config.source"  # kubelet's annotation: where a static pod comes from
FROM_FILE, BY_HAND = "file", "podwire"  # of the folder of static pods; of `podwire pod run`
_UID = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}")
PROTOCOLS = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}
HostPort = tuple[str, str, int]  # address ("" is any), protocol, port


class RefusedPod(Exception):
    """A Pod that cannot be run, in one sentence."""


@dataclass(frozen=True)
class Demand:
    """What a pod asks of its node: cores, and bytes."""

    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(self.cpu + other.cpu, self.memory + other.memory)

    def highest(self, other: Demand) -> Demand:
        """Return the larger of each."""
        return Demand(max(self.cpu, other.cpu), max(self.memory, other.memory))


NO_DEMAND = Demand()


@dataclass(frozen=True)
class WantedPod:
    """One pod that is bound to this node. `version`: the store's, 0 if no store has it.

    `deleted`: since when it is to end (seconds of the epoch; by this node's clock, once it was seen here),
    None: it stays. `grace` in seconds. `config_maps`: of its namespace. `is_over`: its object says so.
    """

    uid: str
    namespace: str
    name: str
    body: JsonObject = field(compare=False, repr=False)
    version: int = 0
    created: float = 0.0
    deleted: float | None = None
    grace: float = DEFAULT_GRACE
    demand: Demand = NO_DEMAND
    host_ports: frozenset[HostPort] = frozenset()
    config_maps: frozenset[str] = frozenset()
    is_over: bool = False


def wanted_pod(body: JsonObject, version: int = 0) -> WantedPod:
    """Read a Pod.

    Raises:
        RefusedPod: a member that the node goes by is not what it should be.
    """
    try:
        return _read(Members(body), body, version)
    except (WrongMember, ValueError) as error:
        raise RefusedPod(str(error)) from error


def node_name(body: JsonObject) -> str:
    """Return to which node a Pod is bound, "" for none, or if it cannot be told."""
    return text(body, "spec", "nodeName")


def source_of(body: JsonObject) -> str:
    """Return where a Pod of this node alone comes from, "" if a store has it."""
    return text(body, "metadata", "annotations", SOURCE)


def seconds(stamp: str) -> float:
    """Return seconds of the epoch of an RFC 3339 time. Raises ValueError."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _read(pod: Members, body: JsonObject, version: int) -> WantedPod:
    metadata, spec = pod.below("metadata"), pod.below("spec")
    uid = metadata.text("uid")
    if not _UID.fullmatch(uid):
        raise metadata.wrong("uid", "a uid of letters, digits, dots, underscores and hyphens")
    grace = spec.number("terminationGracePeriodSeconds", 0, LONGEST_GRACE, int(DEFAULT_GRACE))
    asked = metadata.number("deletionGracePeriodSeconds", 0, LONGEST_GRACE, grace)
    created, ends = metadata.text("creationTimestamp"), metadata.text("deletionTimestamp")
    return WantedPod(
        uid=uid,
        namespace=metadata.name("namespace", "default", is_label=True),
        name=metadata.name("name"),
        body=body,
        version=version,
        created=seconds(created) if created else 0.0,
        deleted=seconds(ends) - asked if ends else None,  # as Kubernetes has it: when the grace is over
        grace=float(asked if ends else grace),
        demand=_demand(spec),
        host_ports=frozenset(_host_ports(spec)),
        config_maps=frozenset(_config_maps(spec)),
        is_over=pod.below("status").value("phase") in OVER,
    )


def _demand(spec: Members) -> Demand:
    """Add up requests as the scheduler does: all containers, or an init container if that asks for more."""
    running = sum((_of_container(one) for one in spec.each("containers")), NO_DEMAND)
    before = NO_DEMAND
    for one in spec.each("initContainers"):
        if one.value("restartPolicy") == "Always":  # a sidecar goes on beside all that follow
            running += _of_container(one)
        else:
            before = before.highest(_of_container(one))
    return running.highest(before)


def _of_container(container: Members) -> Demand:
    resources = container.below("resources")
    requests, limits = resources.below("requests"), resources.below("limits")
    asked = {key: requests.value(key) or limits.value(key) for key in ("cpu", "memory")}
    return Demand(
        cpu(str(asked["cpu"])) if asked["cpu"] is not None else 0.0,
        memory(str(asked["memory"])) if asked["memory"] is not None else 0,
    )


def _host_ports(spec: Members) -> Iterator[HostPort]:
    for key in ("containers", "initContainers"):
        for container in spec.each(key):
            for port in container.each("ports"):
                if number := port.number("hostPort", 0, 65535, 0):
                    yield port.text("hostIP"), port.choice("protocol", PROTOCOLS, "TCP"), number


def _config_maps(spec: Members) -> Iterator[str]:
    for volume in spec.each("volumes"):
        yield from _named(volume, "configMap", "name")
        for source in volume.below("projected").each("sources"):
            yield from _named(source, "configMap", "name")
    for key in ("containers", "initContainers"):
        for container in spec.each(key):
            for source in container.each("envFrom"):
                yield from _named(source, "configMapRef", "name")
            for variable in container.each("env"):
                yield from _named(variable.below("valueFrom"), "configMapKeyRef", "name")


def _named(item: Members, key: str, member: str) -> Iterator[str]:
    if item.has(key) and (name := item.below(key).text(member)):
        yield name
