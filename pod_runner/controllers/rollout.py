"""A deployment: which sets it is to have, and how large they are to be just now. Pure.

A rolling update goes in small steps (`rolling`), Recreate waits until all old pods have ended. A deployment
that is paused is resized, but its template is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, is_true, member, number, table, text, with_member
from pod_runner.cluster.objects import Object, Ref
from pod_runner.controllers import progress, revisions, rolling, sharing
from pod_runner.controllers.templates import CHANGE_CAUSE, REVISION, set_of
from pod_runner.controllers.views import SetView


@dataclass(frozen=True)
class Scaled:
    """A set gets another size, for a person."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class RolloutWish:
    """What is to become of a deployment's sets. `again_in`: as of `replicas.SetWish`.

    `create` may meet somebody else's set of that name: then the deployment's collisions are to be counted up.
    """

    create: tuple[Ref, JsonObject] | None = None
    write: tuple[tuple[Object, JsonObject], ...] = ()  # sets, with their new bodies
    forget: tuple[Object, ...] = ()
    body: JsonObject | None = None  # the deployment's own; None: as it is
    scaled: tuple[Scaled, ...] = ()
    again_in: float | None = None


def decide_rollout(
    found: Object, sets: Collection[Object], now: float, *, has_old_pods: bool = False
) -> RolloutWish:
    """Decide on a deployment. `has_old_pods`: pods of old sets have not all ended, if only nearly."""
    deployment = SetView(found)
    if not deployment.selector.requirements:
        return RolloutWish()
    own = revisions.owned(found, sets)
    new = revisions.current(deployment, own)
    old = [one for one in own if one is not new]
    is_paused = is_true(found.spec, "paused")
    sizes = _sizes(deployment, new, old, is_paused=is_paused, has_old_pods=has_old_pods)
    create = _created(deployment, own, sizes, now) if "" in sizes else None
    revision = _revision(new, own)
    scaled = _told(own, sizes, create)
    writes = [_resized(deployment, one, sizes.get(one.name), revision, is_new=one is new) for one in own]
    body, again_in = progress.reported(deployment, new, old, now, is_paused=is_paused, has_moved=bool(scaled))
    if new is not None or create is not None:
        body = _numbered(body, revision)
    is_complete = progress.is_complete(deployment, new, old)
    return RolloutWish(
        create,
        tuple((one.object, made) for one, made in zip(own, writes, strict=True) if made is not None),
        tuple(one.object for one in revisions.overdue(old, revisions.limit_of(deployment)) if is_complete),
        None if body == found.body else body,
        scaled,
        again_in,
    )


def _sizes(
    deployment: SetView,
    new: SetView | None,
    old: Sequence[SetView],
    *,
    is_paused: bool,
    has_old_pods: bool,
) -> dict[str, int]:
    """Return the sets' new sizes, by name; "" is the new one, yet to be made."""
    is_rolling = text(deployment.object.spec, "strategy", "type") != "Recreate"
    sets = [*old, *([new] if new else [])]
    if is_paused or sharing.is_resized(deployment, sets):
        return sharing.shared(deployment, new, old, is_rolling=is_rolling)
    if is_rolling:
        return rolling.step(deployment, new, old)
    if any(one.replicas for one in old):
        return {one.name: 0 for one in old}
    if has_old_pods or any(one.present for one in old):
        return {}
    return {new.name if new else "": deployment.replicas}


def _revision(new: SetView | None, own: Sequence[SetView]) -> int:
    """Return the newest revision's number: one more than all others have."""
    others = max((revisions.revision_of(one) for one in own if one is not new), default=0)
    return max(others + 1, revisions.revision_of(new) if new else 0)


def _created(
    deployment: SetView, own: Sequence[SetView], sizes: dict[str, int], now: float
) -> tuple[Ref, JsonObject]:
    collisions = number(deployment.object.status, "collisionCount")
    ref, body = set_of(deployment, sizes[""], _revision(None, own), collisions, now)
    annotations = table(body, "metadata", "annotations") | sharing.notes(deployment)
    return ref, with_member(body, annotations, "metadata", "annotations")


def _resized(
    deployment: SetView, one: SetView, size: int | None, revision: int, *, is_new: bool
) -> JsonObject | None:
    """Return a set as it is to be, None if it is so."""
    annotations: dict[str, str] = dict(one.annotations)
    body = one.object.body
    if size is not None:
        body = with_member(body, size, "spec", "replicas") if size != one.replicas else body
        annotations |= sharing.notes(deployment)
    if is_new:
        annotations[REVISION] = str(revision)
        if cause := deployment.annotations.get(CHANGE_CAUSE):
            annotations[CHANGE_CAUSE] = cause
        if number(one.object.spec, "minReadySeconds") != deployment.min_ready:
            body = with_member(body, deployment.min_ready, "spec", "minReadySeconds")
    if annotations != one.annotations:
        body = with_member(body, annotations, "metadata", "annotations")
    if body.get("spec") != one.object.body.get("spec"):
        generation = number(body, "metadata", "generation", default=1) + 1
        body = with_member(body, generation, "metadata", "generation")
    return None if body is one.object.body else body


def _numbered(body: JsonObject, revision: int) -> JsonObject:
    if member(body, "metadata", "annotations", REVISION) == str(revision):
        return body
    return with_member(body, str(revision), "metadata", "annotations", REVISION)


def _told(
    own: Sequence[SetView], sizes: dict[str, int], create: tuple[Ref, JsonObject] | None
) -> tuple[Scaled, ...]:
    made = [Scaled(create[0].name, 0, sizes[""])] if create else []
    changed = [
        Scaled(one.name, one.replicas, sizes[one.name])
        for one in own
        if sizes.get(one.name, one.replicas) != one.replicas
    ]
    return (*made, *changed)
