"""What deleting an object means. Pure.

A pod that runs somewhere is given `deletionTimestamp`: its node ends it and removes the object. A pod that no
node has, and one whose grace is 0, goes at once; its node finds that it vanished. A namespace is marked, and
goes when all in it has gone; the controllers see to that. Everything else goes at once, and what it controls
follows (`controllers.tidying`).
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster_store.store import Change, Delete, Put
from pod_runner.cluster.bodies import JsonObject, member, number, text, with_member
from pod_runner.cluster.kinds import NAMESPACE, POD, REPLICA_SET
from pod_runner.cluster.metadata import owners_of, seconds_of, time_text
from pod_runner.cluster.objects import Object, to_text

OWNED = (REPLICA_SET, POD)  # kinds that controllers make
GRACE = 30  # seconds; what Kubernetes gives to a pod that does not say
OVER = ("Succeeded", "Failed")


def deletion(found: Object, now: float, *, grace: int | None = None) -> Sequence[Change]:
    """Return what deletes an object; nothing if that has begun and is not to be hurried.

    `now`: seconds of the epoch; `grace`: as of `ClusterStore.delete`.
    """
    if found.ref.kind == POD.kind:
        return _pod_deletion(found, now, grace)
    if found.ref.kind == NAMESPACE.kind:
        if found.is_terminating:
            return ()
        body = with_member(found.body, time_text(now), "metadata", "deletionTimestamp")
        return (Put(found.ref.key, to_text(with_member(body, "Terminating", "status", "phase"))),)
    return (Delete(found.ref.key),)


def _pod_deletion(pod: Object, now: float, grace: int | None) -> Sequence[Change]:
    seconds = number(pod.spec, "terminationGracePeriodSeconds", default=GRACE) if grace is None else grace
    if seconds <= 0 or not text(pod.spec, "nodeName"):
        return (Delete(pod.ref.key),)
    asked = number(pod.body, "metadata", "deletionGracePeriodSeconds", default=seconds)
    if pod.is_terminating and asked <= seconds:
        return ()
    return (Put(pod.ref.key, to_text(marked(pod.body, now, seconds))),)


def marked(pod: JsonObject, now: float, grace: int) -> JsonObject:
    """Return a pod that is to be gone in `grace` seconds, or sooner if it was to be before."""
    at = now + grace
    before = seconds_of(member(pod, "metadata", "deletionTimestamp"))
    at = min(at, before) if before is not None else at
    body = with_member(pod, time_text(at), "metadata", "deletionTimestamp")
    return with_member(body, grace, "metadata", "deletionGracePeriodSeconds")


def released(dependent: Object, owner: Object) -> JsonObject | None:
    """Return a dependent without its owner, None if that is not its owner."""
    owners = owners_of(dependent.body)
    left = [one for one in owners if text(one, "uid") != owner.uid]
    return (
        with_member(dependent.body, left, "metadata", "ownerReferences") if len(left) < len(owners) else None
    )
