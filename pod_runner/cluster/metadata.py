"""What Kubernetes' API server writes into metadata: uids, times, generations, owners. Pure, but for uids."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, rows, table, text
from pod_runner.cluster.objects import Object, Ref


def new_uid() -> str:
    """Return a uid that nobody has."""
    return str(uuid.uuid4())


def time_text(seconds: float) -> str:
    """Return a point in time (seconds of the epoch) as Kubernetes writes it: RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(stamp: object) -> float | None:
    """Return seconds of the epoch of a time in RFC 3339, None of anything else."""
    if not isinstance(stamp, str):
        return None
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return None


def as_created(ref: Ref, body: JsonObject, now: float, uid: str) -> JsonObject:
    """Return an object as it is first written: with a uid, its creation's time and generation 1."""
    metadata = {key: value for key, value in table(body, "metadata").items() if key not in _GIVEN}
    metadata |= {"name": ref.name, "uid": uid, "creationTimestamp": time_text(now), "generation": 1}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    return {"apiVersion": ref.resource.api_version, "kind": ref.kind, **body, "metadata": metadata}


_GIVEN = ("resourceVersion", "uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink")


def as_changed(before: JsonObject, body: JsonObject) -> JsonObject:
    """Return an object as it is written over another: uid and birth stay, a new spec is a new generation."""
    kept = {key: value for key in _KEPT if (value := member(before, "metadata", key)) is not None}
    generation = number(before, "metadata", "generation", default=1)
    metadata = {key: value for key, value in table(body, "metadata").items() if key != "resourceVersion"}
    metadata |= {**kept, "generation": generation + (body.get("spec") != before.get("spec"))}
    return {**body, "metadata": metadata}


_KEPT = ("name", "namespace", "uid", "creationTimestamp")


def owner_reference(owner: Object) -> JsonObject:
    """Return what a dependent says of the controller that made it."""
    return {
        "apiVersion": owner.ref.resource.api_version,
        "kind": owner.ref.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owners_of(body: JsonObject) -> list[JsonObject]:
    """Return an object's owner references."""
    return rows(body, "metadata", "ownerReferences")


def controller_of(body: JsonObject) -> str:
    """Return the uid of the owner that controls an object, "" if none does."""
    return next((text(one, "uid") for one in owners_of(body) if is_true(one, "controller")), "")
