"""Nothing is written that was decided on something else: every commit checks what it read, and who leads.

What was written is not touched again before it was read: until then its key is awaited. So each decision sees
all that was decided before it, and needs no memory of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cluster_store.store import Change, Check, Conflict, Delete, Put, Store
from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.objects import Object, Ref, to_text
from pod_runner.controllers.leading import LEADER, Leading

MOST = 100  # changes of a commit; etcd takes 128 (--max-txn-ops)
LARGEST = 1 << 20  # bytes of a commit; etcd takes 1.5 MiB (--max-request-bytes)
NEWS_WITHIN = 2.0  # seconds; later news of what was written are not waited for, but asked for


class Deposed(Exception):
    """Somebody else leads: nothing was written."""


@dataclass(frozen=True)
class Part:
    """Changes that belong together, and the versions of what they were decided on, by key; 0 for nothing."""

    changes: tuple[Change, ...]
    based_on: Mapping[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return about how many bytes it is on its way."""
        return sum(len(one.key) + (len(one.value) if isinstance(one, Put) else 0) for one in self.changes)


def put(found: Object, body: JsonObject) -> Part:
    """Return the part that writes an object as it is to be."""
    return Part((Put(found.ref.key, to_text(body)),), {found.ref.key: found.version})


def new(ref: Ref, body: JsonObject) -> Part:
    """Return the part that writes a new object."""
    return Part((Put(ref.key, to_text(body)),), {ref.key: 0})


def forget(found: Object) -> Part:
    """Return the part that removes an object."""
    return Part((Delete(found.ref.key),), {found.ref.key: found.version})


class Writer:
    """Writes for the controllers. Everything raises StoreUnavailable and StoreRefused as the store does."""

    def __init__(
        self,
        store: Store,
        leading: Leading,
        version_of: Callable[[str], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`version_of`: the version that is known of a key, 0 for none."""
        self._store, self._leading, self._version_of, self._clock = store, leading, version_of, clock
        self._awaited: dict[str, tuple[int, float]] = {}  # by key: the version before, since when
        self.commits = 0

    def awaited(self, keys: Iterable[str]) -> str:
        """Return one of these keys of which there will be news, "" if there is none."""
        return next((key for key in keys if key in self._awaited), "")

    def write(self, core: Part, parts: Sequence[Part] = ()) -> list[Part]:
        """Write a part, and as many others with it as fit; return those that were written, the core first.

        If what a part was decided on has changed, it is left out; if that is the core, nothing is written.

        Raises:
            Deposed: somebody else leads.
        """
        chosen = _fitting(core, parts)
        while True:
            try:
                self._commit(core, chosen)
            except Conflict as error:
                stale = self._stale(core, chosen, error)
                if any(key in stale for key in core.based_on):
                    return []
                chosen = [one for one in chosen if not any(key in stale for key in one.based_on)]
                if not chosen and not core.changes:
                    return []
                continue
            return [core, *chosen]

    def heard(self) -> list[str]:
        """Return the keys of which there were news, and await them no longer."""
        found = [key for key, (before, _) in self._awaited.items() if self._version_of(key) != before]
        for key in found:
            del self._awaited[key]
        return found

    def is_overdue(self) -> bool:
        """Tell whether there should have been news long since: what was written may have gone unseen."""
        limit = self._clock() - NEWS_WITHIN
        return any(since < limit for _, since in self._awaited.values())

    def begin_again(self) -> list[str]:
        """Await nothing: everything is read once more. Return what was awaited."""
        found = list(self._awaited)
        self._awaited.clear()
        return found

    def _commit(self, core: Part, parts: Sequence[Part]) -> None:
        checks = {LEADER: self._leading.check.version, **core.based_on}
        changes = list(core.changes)
        for part in parts:
            checks |= part.based_on
            changes += part.changes
        if not self._leading.is_leader:
            raise Deposed
        self._store.commit([Check(key, version) for key, version in checks.items()], changes)
        self.commits += 1
        for part in (core, *parts):
            self._await(change.key for change in part.changes if part.based_on.get(change.key))
        self._await(change.key for change in core.changes)

    def _await(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._awaited[key] = (self._version_of(key), self._clock())

    def _stale(self, core: Part, parts: Sequence[Part], error: Conflict) -> set[str]:
        """Return the keys that are other than was thought, and await their news."""
        versions = {key: item.version if item else 0 for key, item in error.found.items()}
        if versions.get(LEADER) != self._leading.check.version:
            self._leading.lost()
            raise Deposed from error
        expected = dict(core.based_on)
        for part in parts:
            expected |= part.based_on
        stale = {key for key, version in versions.items() if key != LEADER and version != expected.get(key)}
        self._await(key for key in stale if self._version_of(key) == expected.get(key))
        return stale


def _fitting(core: Part, parts: Sequence[Part]) -> list[Part]:
    """Return as many parts as one commit takes."""
    chosen: list[Part] = []
    count, size, checks = len(core.changes), core.size, len(core.based_on) + 1
    for part in parts:
        count, size, checks = count + len(part.changes), size + part.size, checks + len(part.based_on)
        if chosen and (max(count, checks) > MOST or size > LARGEST):
            break
        chosen.append(part)
    return chosen
