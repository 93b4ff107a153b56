"""Which of a deployment's sets is which revision; history, undo, pause and restart of rollouts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pod_runner.cluster.bodies import JsonObject, member, number, with_member
from pod_runner.cluster.metadata import time_text
from pod_runner.cluster.objects import Object
from pod_runner.controllers.templates import CHANGE_CAUSE, REVISION, plain
from pod_runner.controllers.views import SetView

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


class NoRevision(Exception):
    """There is no such revision to go back to; the message says which there are."""


@dataclass(frozen=True)
class Revision:
    """One of a deployment's templates, and why it came about as far as anybody said."""

    number: int
    set: Object
    cause: str


def owned(deployment: Object, sets: Collection[Object]) -> list[SetView]:
    """Return the sets that a deployment controls, oldest first."""
    views = (SetView(one) for one in sets)
    return sorted(
        (one for one in views if one.owner == deployment.uid), key=lambda one: (one.created, one.name)
    )


def revision_of(owned_set: SetView) -> int:
    """Return a set's revision, 0 if it has none."""
    said = owned_set.annotations.get(REVISION, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 12 else 0


def current(deployment: SetView, sets: Sequence[SetView]) -> SetView | None:
    """Return the set that has the deployment's template, the oldest of several."""
    wanted = plain(deployment.template)
    return next((one for one in sets if plain(one.template) == wanted), None)


def history(deployment: Object, sets: Collection[Object]) -> list[Revision]:
    """Return the revisions there are, oldest first: `rollout history`."""
    found = [
        Revision(revision_of(one), one.object, one.annotations.get(CHANGE_CAUSE, ""))
        for one in owned(deployment, sets)
    ]
    return sorted(found, key=lambda one: one.number)


def undone(deployment: Object, sets: Collection[Object], to: int = 0) -> JsonObject:
    """Return the deployment with the template of a revision, 0 for the one before: `rollout undo`.

    Raises NoRevision; its message is kubectl's.
    """
    if member(deployment.spec, "paused") is True:
        raise NoRevision('cannot rollback a paused deployment; resume it first with "rollout resume"')
    present = current(SetView(deployment), owned(deployment, sets))
    others = [one for one in history(deployment, sets) if present is None or one.set is not present.object]
    if to and present is not None and revision_of(present) == to:
        return deployment.body
    found = others[-1:] if not to else [one for one in others if one.number == to]
    if not found:
        said = f"unable to find specified revision {to} in history" if to else "no rollout history found"
        raise NoRevision(f'{said} for deployment "{deployment.name}"')
    return with_member(deployment.body, plain(SetView(found[0].set).template), "spec", "template")


def paused(deployment: JsonObject, *, is_paused: bool) -> JsonObject:
    """Return the deployment as it is after `rollout pause` or `resume`."""
    return with_member(deployment, is_paused, "spec", "paused")


def restarted(deployment: JsonObject, now: float) -> JsonObject:
    """Return the deployment with a template that differs by its time alone: `rollout restart`."""
    at = time_text(now)
    return with_member(deployment, at, "spec", "template", "metadata", "annotations", RESTARTED_AT)


def overdue(sets: Sequence[SetView], limit: int) -> list[SetView]:
    """Return the old sets beyond revisionHistoryLimit, those without pods, oldest revisions first."""
    empty = [one for one in sets if not one.replicas and not one.present]
    empty.sort(key=lambda one: (revision_of(one), one.created, one.name))
    return empty[: max(0, len(sets) - limit)]


def limit_of(deployment: SetView) -> int:
    """Return how many old sets are kept."""
    return max(0, number(deployment.object.spec, "revisionHistoryLimit", default=10))
