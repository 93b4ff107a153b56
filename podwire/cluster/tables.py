"""Objects -> rows under kubectl's headings. Pure: the time is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pod_runner.cluster.bodies import (
    JsonObject,
    member,
    number,
    rows,
    table,
    text,
    texts,
    words,
)  # fmt: skip
from pod_runner.cluster.kinds import ResourceKind
from podwire.cluster.ages import age
from podwire.cluster.cells import NOTHING, event_object, labels_text, node_status, port_text, selector_text
from podwire.cluster.pod_words import words_of

ROLE = "node-role.kubernetes.io/"


@dataclass(frozen=True)
class Seen:
    """What a row is made from: an object, when it is looked at, and how many endpoints its service has."""

    body: JsonObject
    now: float
    ready: tuple[str, ...] = ()  # of a service: who answers, ADDRESS:PORT


Cell = Callable[[Seen], str]


@dataclass(frozen=True)
class Column:
    """A heading and what stands under it; a wide one is only there with `-o wide`."""

    heading: str
    cell: Cell
    is_wide: bool = False


def columns_of(kind: ResourceKind, *, is_wide: bool = False) -> tuple[Column, ...]:
    """Return the columns of a kind."""
    name = Column("NAME", lambda one: text(one.body, "metadata", "name"))
    own, more = COLUMNS.get(kind.kind, ((), ()))
    ages = () if kind.kind == "Event" else (AGE,)
    named = () if kind.kind == "Event" else (name,)
    return (*named, *own, *ages, *(more if is_wide else ()))


def _pod_ready(one: Seen) -> str:
    return words_of(one.body).readiness


def _pod_addresses(one: Seen) -> str:
    return text(one.body, "status", "podIP") or NOTHING


def _count(*path: str) -> Cell:
    return lambda one: str(number(one.body, *path))


def _containers(member_name: str) -> Cell:
    def cell(one: Seen) -> str:
        found = rows(one.body, "spec", "template", "spec", "containers")
        return ",".join(text(container, member_name) for container in found) or NOTHING

    return cell


def _wanted(one: Seen) -> int:
    return number(one.body, "spec", "replicas", default=1)


def _addresses(one: Seen) -> str:
    if text(one.body, "spec", "type") == "ExternalName":
        return NOTHING
    return text(one.body, "spec", "clusterIP") or "<pending>"


def _external(one: Seen) -> str:
    given = [
        text(entry, "ip") or text(entry, "hostname")
        for entry in rows(one.body, "status", "loadBalancer", "ingress")
    ]
    found = [*texts(one.body, "spec", "externalIPs"), *given]
    match text(one.body, "spec", "type"):
        case "ExternalName":
            return text(one.body, "spec", "externalName")
        case "LoadBalancer":
            return ",".join(found) or "<pending>"
    return ",".join(found) or NOTHING


def _ports(one: Seen) -> str:
    return ",".join(map(port_text, rows(one.body, "spec", "ports"))) or NOTHING


def _roles(one: Seen) -> str:
    found = words(one.body, "metadata", "labels")
    return ",".join(sorted(key.removeprefix(ROLE) for key in found if key.startswith(ROLE))) or NOTHING


def _node_address(one: Seen) -> str:
    found = rows(one.body, "status", "addresses")
    return next((text(each, "address") for each in found if text(each, "type") == "InternalIP"), NOTHING)


def _event_message(one: Seen) -> str:
    times = number(one.body, "count", default=1)
    said = " ".join(text(one.body, "message").split())
    return f"{said} (x{times})" if times > 1 else said


def _endpoints(one: Seen) -> str:
    found = [
        f"{address}:{number(port, 'port')}"
        for entry in rows(one.body, "endpoints")
        for address in texts(entry, "addresses")
        for port in rows(one.body, "ports")
    ]
    return ",".join(found) or NOTHING


def _slice_ports(one: Seen) -> str:
    return ",".join(str(number(port, "port")) for port in rows(one.body, "ports")) or NOTHING


AGE = Column("AGE", lambda one: age(member(one.body, "metadata", "creationTimestamp"), one.now))
_SELECTOR = Column("SELECTOR", lambda one: selector_text(table(one.body, "spec", "selector")))
_TEMPLATE = (Column("CONTAINERS", _containers("name")), Column("IMAGES", _containers("image")), _SELECTOR)
# kind -> its columns before AGE, and those that -o wide has after it
COLUMNS: dict[str, tuple[tuple[Column, ...], tuple[Column, ...]]] = {
    "Pod": (
        (
            Column("READY", _pod_ready),
            Column("STATUS", lambda one: words_of(one.body).status),
            Column("RESTARTS", lambda one: words_of(one.body).restarts_text(one.now)),
        ),
        (
            Column("IP", _pod_addresses),
            Column("NODE", lambda one: text(one.body, "spec", "nodeName") or NOTHING),
        ),
    ),
    "Deployment": (
        (
            Column("READY", lambda one: f"{number(one.body, 'status', 'readyReplicas')}/{_wanted(one)}"),
            Column("UP-TO-DATE", _count("status", "updatedReplicas")),
            Column("AVAILABLE", _count("status", "availableReplicas")),
        ),
        _TEMPLATE,
    ),
    "ReplicaSet": (
        (
            Column("DESIRED", lambda one: str(_wanted(one))),
            Column("CURRENT", _count("status", "replicas")),
            Column("READY", _count("status", "readyReplicas")),
        ),
        _TEMPLATE,
    ),
    "Service": (
        (
            Column("TYPE", lambda one: text(one.body, "spec", "type") or "ClusterIP"),
            Column("CLUSTER-IP", _addresses),
            Column("EXTERNAL-IP", _external),
            Column("PORT(S)", _ports),
        ),
        (
            Column("SELECTOR", lambda one: labels_text(words(one.body, "spec", "selector"))),
            Column("ENDPOINTS", lambda one: ",".join(one.ready) or NOTHING),
        ),
    ),
    "ConfigMap": (
        (Column("DATA", lambda one: str(len(table(one.body, "data")) + len(table(one.body, "binaryData")))),),
        (),
    ),
    "Namespace": ((Column("STATUS", lambda one: text(one.body, "status", "phase") or "Active"),), ()),
    "Node": (
        (Column("STATUS", lambda one: node_status(one.body)), Column("ROLES", _roles)),
        (
            Column("INTERNAL-IP", _node_address),
            Column("KERNEL-VERSION", lambda one: _node_info(one, "kernelVersion")),
        ),
    ),
    "EndpointSlice": (
        (
            Column("ADDRESSTYPE", lambda one: text(one.body, "addressType") or NOTHING),
            Column("PORTS", _slice_ports),
            Column("ENDPOINTS", _endpoints),
        ),
        (),
    ),
    "Event": (
        (
            Column("LAST SEEN", lambda one: age(member(one.body, "lastTimestamp"), one.now)),
            Column("TYPE", lambda one: text(one.body, "type")),
            Column("REASON", lambda one: text(one.body, "reason")),
            Column("OBJECT", lambda one: event_object(one.body)),
            Column("MESSAGE", _event_message),
        ),
        (),
    ),
}


def _node_info(one: Seen, key: str) -> str:
    return text(one.body, "status", "nodeInfo", key) or NOTHING
