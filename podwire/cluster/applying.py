"""Objects of manifests written: created, changed, or left alone because they are so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.kinds import NAMESPACE
from pod_runner.cluster.objects import Object, Ref, ref_of_body
from pod_runner.cluster.store import AlreadyExists, ClusterError, ClusterStore
from pod_runner.manifests.updates import judge_update
from podwire.cluster.merging import differs, merged, noted


class Word(StrEnum):
    """What became of an object, as kubectl says it."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Outcome:
    """What became of one manifest. `warning`: a sentence, "" if there is nothing to say."""

    ref: Ref
    word: Word
    warning: str = ""


class Immutable(ClusterError):
    """What a manifest wants to change cannot be changed; the object is to be deleted first."""


def in_order(bodies: Iterable[JsonObject]) -> list[JsonObject]:
    """Return manifests in the order they are written: namespaces first, since others live in them."""
    return sorted(bodies, key=lambda body: body.get("kind") != NAMESPACE.kind)


def apply(cluster: ClusterStore, manifest: JsonObject, *, is_dry: bool = False) -> Outcome:
    """Make an object as its manifest says.

    Raises:
        ClusterError: it cannot be: its namespace is missing, or a field cannot change.
    """
    ref, wish = ref_of_body(manifest), manifest
    live = cluster.get(ref.resource, ref.namespace, ref.name)
    if live is None:
        if is_dry:
            return Outcome(ref, Word.CREATED)
        try:
            cluster.create(noted(wish))
        except AlreadyExists:
            live = cluster.get(ref.resource, ref.namespace, ref.name)
        if live is None:
            return Outcome(ref, Word.CREATED)
    return _change(cluster, live, wish, is_dry=is_dry)


def _change(cluster: ClusterStore, live: Object, wish: JsonObject, *, is_dry: bool) -> Outcome:
    words = [Word.UNCHANGED]

    def edit(body: JsonObject) -> JsonObject:
        wanted = merged(body, wish)
        _check(live.ref, body, wanted)
        words.append(Word.CONFIGURED if differs(body, wanted) else Word.UNCHANGED)
        return wanted

    if is_dry:
        edit(live.body)
    else:
        cluster.change(live.ref.resource, live.namespace, live.name, edit)
    going = "it is being deleted" if live.is_terminating else ""
    return Outcome(live.ref, words[-1], going)


def _check(ref: Ref, before: JsonObject, wanted: JsonObject) -> None:
    problems = [one for one in judge_update(before, wanted) if one.is_error]
    if problems:
        said = "; ".join(f"{one.path}: {one.sentence}" for one in problems)
        raise Immutable(f"{ref} cannot become what the manifest says: {said}")
