"""What nobody wants any more: dependents without owners, what lies in a namespace that goes. Pure.

Nothing is removed because something is not known: the commit checks that the owner's key holds nothing, or
somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cluster_store.store import Change, Delete
from pod_runner.cluster import deleting
from pod_runner.cluster.bodies import text
from pod_runner.cluster.kinds import BY_KIND, EVENT
from pod_runner.cluster.metadata import owners_of
from pod_runner.cluster.objects import Object, Ref, ref_of


@dataclass(frozen=True)
class Removal:
    """Changes that remove one object, and what they are decided on: versions by key, 0 for nothing."""

    changes: tuple[Change, ...]
    based_on: Mapping[str, int] = field(default_factory=dict)


def orphan_removal(found: Object, objects: Mapping[Ref, Object], now: float) -> Removal | None:
    """Return what removes an object all of whose owners are gone, None if one is there or may be."""
    owners = owners_of(found.body)
    based_on = {found.ref.key: found.version}
    for owner in owners:
        kind = BY_KIND.get(text(owner, "kind"))
        if kind is None or not text(owner, "name"):
            return None
        ref = ref_of(kind, found.namespace, text(owner, "name"))
        there = objects.get(ref)
        if there is not None and there.uid == text(owner, "uid"):
            return None
        based_on[ref.key] = there.version if there else 0
    if not owners or not (changes := deleting.deletion(found, now)):
        return None
    return Removal(tuple(changes), based_on)


def namespace_removals(
    namespace: Object, within: Sequence[Object], free: Iterable[Object], now: float
) -> list[Removal]:
    """Return what empties a namespace that is being deleted, and at last removes it.

    `free`: of what is `within`, what is not being written just now. Events go last: more of them come as long
    as anything is there.
    """
    others = [one for one in within if one.ref.kind != EVENT.kind]
    found = (removal(one, now) for one in free if bool(others) == (one.ref.kind != EVENT.kind))
    removals = [one for one in found if one.changes]
    if within:
        return removals
    key = namespace.ref.key
    return [Removal((Delete(key),), {key: namespace.version})]


def removal(found: Object, now: float) -> Removal:
    """Return what deletes an object."""
    return Removal(tuple(deleting.deletion(found, now)), {found.ref.key: found.version})
