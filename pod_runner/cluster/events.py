"""Events: what has happened to an object, for a person; the same thing again is counted, not written twice.

An Event's name follows from what it says, so that whoever tells of it finds the one of before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cluster_store.store import Check, Conflict, Delete, Put
from pod_runner.cluster.bodies import JsonObject, number, text
from pod_runner.cluster.kinds import EVENT
from pod_runner.cluster.metadata import as_created, new_uid, seconds_of, time_text
from pod_runner.cluster.objects import DEFAULT_NAMESPACE, BadObject, Object, Ref, ref_of, to_text
from pod_runner.cluster.store import ClusterStore

KEPT = 200  # the newest of a cluster; `podwire events` is for what is going on, logs are for the past
NORMAL, WARNING = "Normal", "Warning"


@dataclass(frozen=True)
class Happening:
    """One thing that happened to `about` (an object of uid `uid`). `by`: which part of the cluster tells."""

    about: Ref
    uid: str
    reason: str
    message: str
    by: str
    type: str = NORMAL

    @property
    def ref(self) -> Ref:
        """Return what its Event is called."""
        said = "\0".join((self.uid, self.reason, self.message, self.by, self.type))
        mark = hashlib.sha256(said.encode()).hexdigest()[:16]
        return ref_of(EVENT, self.about.namespace or DEFAULT_NAMESPACE, f"{self.about.name}.{mark}")


def about(found: Object, reason: str, message: str, by: str, type: str = NORMAL) -> Happening:
    """Return what happened to an object."""
    return Happening(found.ref, found.uid, reason, message, by, type)


def body_of(happening: Happening, before: JsonObject | None, now: float) -> JsonObject:
    """Return the Event of something that happened (again, if there is one of before)."""
    if before is not None:
        return {**before, "count": number(before, "count", default=1) + 1, "lastTimestamp": time_text(now)}
    target = happening.about
    body: JsonObject = {
        "involvedObject": {
            "apiVersion": target.resource.api_version,
            "kind": target.kind,
            "name": target.name,
            "uid": happening.uid,
        }
        | ({"namespace": target.namespace} if target.namespace else {}),
        "type": happening.type,
        "reason": happening.reason,
        "message": happening.message,
        "source": {"component": happening.by},
        "count": 1,
        "firstTimestamp": time_text(now),
        "lastTimestamp": time_text(now),
    }
    return as_created(happening.ref, body, now, new_uid())


def record(cluster: ClusterStore, happening: Happening) -> None:
    """Write that something has happened, once more if it is known. Raises StoreUnavailable, StoreRefused."""
    ref = happening.ref
    try:
        found = cluster.get(EVENT, ref.namespace, ref.name)
    except BadObject:
        return
    body = body_of(happening, found.body if found else None, cluster.clock())
    try:
        cluster.store.commit([Check(ref.key, found.version if found else 0)], [Put(ref.key, to_text(body))])
    except Conflict:  # somebody else has told of it just now
        return


def last_time(event: Object) -> float:
    """Return when an Event happened last, seconds of the epoch."""
    return seconds_of(text(event.body, "lastTimestamp")) or 0.0


def overdue(events: Iterable[Object], kept: int = KEPT) -> list[Delete]:
    """Return what removes all Events but the newest."""
    newest = sorted(events, key=lambda one: (last_time(one), one.version), reverse=True)
    return [Delete(one.ref.key) for one in newest[kept:]]
