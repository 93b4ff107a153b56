"""A Kubernetes Node as the overlay sees it: what is read from it, and what is written on it. Pure.

flannel writes its annotations and the condition NetworkUnavailable through the sub-resource `status`; so do
we, so that flannel's ClusterRole (nodes: get, list, watch; nodes/status: patch) is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import Field, ValidationError

from cni_spec.config import SpecModel, explain_validation
from cni_spec.json_input import JsonObject
from overlay.errors import BadRecord
from overlay.node_annotations import OUR_ANNOTATION, dump_annotations, load_annotations
from overlay.record import NodeRecord
from overlay.subnet import Subnet, parse_address, parse_subnet

CONDITION = "NetworkUnavailable"
REASON = "PodwireIsUp"
MESSAGE = "podwire is running on this node"
MANAGED = "kube-subnet-manager"
# What flannel or we write; the rest under its prefix ("public-ip-overwrite") is people's.
WRITTEN = ("backend-data", "backend-type", "backend-v6-data", MANAGED, "public-ip", "public-ipv6")


class Metadata(SpecModel):
    """An object's metadata: all that a PartialObjectMetadata has."""

    name: str
    uid: str = ""
    resource_version: str = Field("", alias="resourceVersion")
    created: str = Field("", alias="creationTimestamp")
    annotations: dict[str, str] | None = None  # a Node may have none, where flanneld panics


class Spec(SpecModel):
    """The subnets that kube-controller-manager gave the node. `podCIDR`, the older, repeats the first."""

    pod_cidr: str = Field("", alias="podCIDR")
    pod_cidrs: tuple[str, ...] | None = Field(None, alias="podCIDRs")


class Condition(SpecModel):
    """One condition of a node."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    heartbeat: str | None = Field(None, alias="lastHeartbeatTime")
    transition: str | None = Field(None, alias="lastTransitionTime")


class Status(SpecModel):
    """What is said of the node's state."""

    conditions: tuple[Condition, ...] | None = None


class Node(SpecModel):
    """A Node, or its metadata alone."""

    metadata: Metadata
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def name(self) -> str:
        """Return its name."""
        return self.metadata.name

    @property
    def annotations(self) -> Mapping[str, str]:
        """Return its annotations."""
        return self.metadata.annotations or {}

    @property
    def pod_cidrs(self) -> tuple[str, ...]:
        """Return its subnets; () in metadata."""
        return self.spec.pod_cidrs or ((self.spec.pod_cidr,) if self.spec.pod_cidr else ())

    @property
    def created(self) -> int:
        """Return when it was created, in seconds since 1970; 0: it does not say."""
        try:
            return int(datetime.fromisoformat(self.metadata.created).timestamp())
        except ValueError:
            return 0

    def subnets(self) -> tuple[Subnet, ...]:
        """Return its subnets as numbers. Raises BadRecord."""
        try:
            return tuple(parse_subnet(one) for one in self.pod_cidrs)
        except ValueError as error:
            raise BadRecord(f"Node {self.name}: spec.podCIDRs: {error}") from error

    def record(self, prefix: str) -> NodeRecord | None:
        """Return what it tells its peers; None: no overlay has written on it. Raises BadRecord."""
        return load_annotations(
            self.name, self.annotations, self.pod_cidrs, prefix=prefix, created=self.created
        )

    def is_flannels(self, prefix: str) -> bool:
        """Tell whether a flanneld has written on it, and no podwire: its subnets are in `spec` only."""
        return self.annotations.get(f"{prefix}{MANAGED}") == "true" and OUR_ANNOTATION not in self.annotations


def slim(body: JsonObject) -> JsonObject:
    """Leave out what the overlay does not read: of a whole Node's 15 KB, 1 KB stays in memory."""
    kept = {"metadata": ("name", "uid", "creationTimestamp", "annotations"), "spec": ("podCIDR", "podCIDRs")}
    found: JsonObject = {}
    for part, keys in kept.items():
        seen = body.get(part)
        found[part] = {key: seen[key] for key in keys if key in seen} if isinstance(seen, dict) else {}
    return found


def parse_node(body: object) -> Node:
    """Read a Node. Raises BadRecord."""
    try:
        return Node.model_validate(body, strict=False)
    except ValidationError as error:
        raise BadRecord(f"no Node: {explain_validation(error)[0]}") from error


def with_overwrites(record: NodeRecord, node: Node, prefix: str) -> NodeRecord:
    """Return the record with the addresses that people put on the Node instead. Raises BadRecord."""
    four, six = (
        _overwrite(node, f"{prefix}{key}-overwrite", version)
        for key, version in (("public-ip", 4), ("public-ipv6", 6))
    )
    return replace(record, public4=four or record.public4, public6=six or record.public6)


def _overwrite(node: Node, key: str, version: int) -> str:
    value = node.annotations.get(key, "")
    if not value:
        return ""
    try:
        is_fine = parse_address(value)[0] == version
    except ValueError:
        is_fine = False
    if not is_fine:
        raise BadRecord(f"Node {node.name}: {key} is {value[:60]!r}, no IPv{version} address: correct it")
    return value


def applied(node: Node, record: NodeRecord, prefix: str, now: float) -> dict[str, object]:
    """Return what is applied to the Node: all that we want of it, on the version that was read.

    The uid keeps us from writing on another Node that was made under the same name.
    """
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "uid": node.metadata.uid,
            "resourceVersion": node.metadata.resource_version,
            "annotations": dump_annotations(record, prefix),
        },
        "status": {"conditions": [_condition(node, now)]},
    }


def left_over(node: Node, record: NodeRecord, prefix: str) -> tuple[str, ...]:
    """Return the annotations that an overlay wrote before and that are not true any more."""
    wanted = dump_annotations(record, prefix)
    named = (f"{prefix}{key}" for key in WRITTEN)
    return tuple(key for key in named if key in node.annotations and key not in wanted)


def _condition(node: Node, now: float) -> dict[str, object]:
    """Say that the network is there; what says so already stays as it is, and wakes nobody."""
    instant = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = next((one for one in node.status.conditions or () if one.type == CONDITION), None)
    is_same = before is not None and (before.status, before.reason, before.message) == (
        "False",
        REASON,
        MESSAGE,
    )
    was_up = before is not None and before.status == "False"
    return {
        "type": CONDITION,
        "status": "False",
        "reason": REASON,
        "message": MESSAGE,
        "lastHeartbeatTime": (before.heartbeat if before and is_same else None) or instant,
        "lastTransitionTime": (before.transition if before and was_up else None) or instant,
    }
