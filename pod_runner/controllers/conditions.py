"""Conditions of objects: reading one, and one that is dated when it changes. Pure."""

from __future__ import annotations

from pod_runner.cluster.bodies import JsonObject, rows, with_member
from pod_runner.cluster.metadata import time_text


def condition(body: JsonObject, type: str) -> JsonObject:
    """Return one of an object's conditions, {} if it has none of that type."""
    return next((one for one in rows(body, "status", "conditions") if one.get("type") == type), {})


def with_condition(body: JsonObject, wanted: JsonObject, now: float) -> JsonObject:
    """Return an object with a condition, dated now if it is other than before."""
    before = condition(body, str(wanted["type"]))
    is_so = before.get("status") == wanted["status"]
    since = before.get("lastTransitionTime") if is_so else None
    made = {**wanted, "lastTransitionTime": since or time_text(now)}
    if {**before, **made} == before:
        return body
    others = [one for one in rows(body, "status", "conditions") if one.get("type") != wanted["type"]]
    return with_member(body, [*others, made], "status", "conditions")
