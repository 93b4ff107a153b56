"""judge_update: what of an object cannot become something else. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pod_runner.manifests.problems import Found, JsonObject, Problem, Route
from pod_runner.manifests.rules import below, text

FIXED = "cannot be changed: delete the object, and apply it again"
IDENTITY = (("kind",), ("metadata", "name"), ("metadata", "namespace"))
# what of a pod that is there may change (core/v1 ValidatePodUpdate, as far as podwire has it)
MUTABLE_OF_POD = ("tolerations", "terminationGracePeriodSeconds")
CONTAINERS = ("initContainers", "containers")


def judge_update(old: JsonObject, new: JsonObject) -> list[Problem]:
    """Return what refuses the change of an object into another; both judged, and with their defaults."""
    found = Found()
    fixed: list[Route] = [*IDENTITY]
    kind = text(new, "kind")
    if kind in ("Deployment", "ReplicaSet"):
        fixed.append(("spec", "selector"))
    elif kind == "ConfigMap" and old.get("immutable") is True:
        _check_immutable(old, new, found)
    elif kind == "Pod":
        for changed in _changes_of_pod(below(old, "spec"), below(new, "spec")):
            found.error(changed, FIXED)
    elif kind == "Service":
        _check_addresses(below(old, "spec"), below(new, "spec"), found)
    for route in fixed:
        if _at(old, route) != _at(new, route):
            found.error(route, FIXED)
    return found.all()


def _check_immutable(old: JsonObject, new: JsonObject, found: Found) -> None:
    if new.get("immutable") is not True:
        found.error(("immutable",), FIXED)
    if below(old, "data") != below(new, "data"):
        found.error(("data",), f"{FIXED} (it is immutable)")


def _changes_of_pod(old: JsonObject, new: JsonObject) -> Iterator[Route]:
    """Yield what differs and may not; that a scheduler has chosen a node is no difference."""
    for key in sorted({*old, *new}):
        if key in MUTABLE_OF_POD or (key == "nodeName" and key not in new):
            continue
        if key in CONTAINERS:
            yield from _changes_of_containers(key, old.get(key), new.get(key))
        elif (old.get(key) or None) != (new.get(key) or None):
            yield ("spec", key)


def _changes_of_containers(key: str, old: object, new: object) -> Iterator[Route]:
    """Yield what differs but for images."""
    before = old if isinstance(old, list) else []
    after = new if isinstance(new, list) else []
    if len(before) != len(after):
        yield ("spec", key)
    for index, (one, other) in enumerate(zip(before, after, strict=False)):
        for name in sorted({*one, *other}):
            if name != "image" and one.get(name) != other.get(name):
                yield ("spec", key, index, name)


def _check_addresses(old: JsonObject, new: JsonObject, found: Found) -> None:
    """An address that a Service was given stays its own, unless it becomes an ExternalName."""
    before, after = text(old, "clusterIP"), text(new, "clusterIP")
    if before and after and before != after and "ExternalName" not in (old.get("type"), new.get("type")):
        found.error(("spec", "clusterIP"), FIXED)


def _at(body: JsonObject, route: Route) -> object:
    value: object = body
    for part in route:
        value = value.get(part) if isinstance(value, dict) else None
    return value
