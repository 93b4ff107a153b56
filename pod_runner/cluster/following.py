"""Follow objects: one list, then what changes, for as long as one likes; whoever listens never lists again.

All kinds come through one follower of the store, so that they come in the order in which they were written,
and the changes of one commit together. After a loss of history the differences are told, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from random import Random
from threading import Event as Flag
from threading import Lock
from typing import NamedTuple

from cluster_store.pauses import Pauses
from cluster_store.store import Event, Follower, Item, Snapshot, Store, StoreRefused, StoreUnavailable
from pod_runner.cluster.kinds import PREFIX, ResourceKind
from pod_runner.cluster.objects import BadObject, Object, Ref, read_item, ref_in_key

WAIT = 60.0  # seconds for one look, where a caller has nothing else to do


class Seen(NamedTuple):
    """An object is new, other than it was, or gone; None: there is (was) none."""

    ref: Ref
    now: Object | None
    before: Object | None


class ObjectFollower:
    """What is known of some kinds, and what changes in it. For one thread, but for `close`.

    `trouble` says why nothing comes just now, "" if all is well: what was known stays. `refused` has what
    lies under objects' keys and is none, by key. Items under `others` (prefixes of keys) are kept in `items`.
    """

    def __init__(self, store: Store, kinds: Collection[ResourceKind], others: Sequence[str] = ()) -> None:
        """Follow these kinds. Nothing is asked yet."""
        self.objects: dict[Ref, Object] = {}
        self.items: dict[str, Item] = {}
        self.is_synced = False
        self.trouble = ""
        self.refused: dict[str, str] = {}
        self._kinds = {kind.kind for kind in kinds}
        self._others = tuple(others)
        only = next(iter(kinds)) if len(kinds) == 1 and not others else None
        self._prefix = only.folder() if only else PREFIX + "/"
        self._store = store
        self._follower: Follower | None = None
        self._closed, self._opening = Flag(), Lock()
        self._pauses = Pauses(Random())

    def next(self, timeout: float = WAIT) -> list[Seen]:
        """Wait up to `timeout` seconds for changes; [] if there were none. The first are all there is."""
        if self._closed.is_set():
            return []
        try:
            told = self._open().next(timeout)
        except (StoreUnavailable, StoreRefused) as error:
            if not self._closed.is_set():
                self.trouble = str(error)
                self._closed.wait(min(timeout, self._pauses.next()))
            return []
        self.trouble = ""
        self._pauses.reset()
        return self._take_snapshot(told) if isinstance(told, Snapshot) else self._take(told)

    def __iter__(self) -> Iterator[Seen]:
        """Yield changes until it is closed."""
        while not self._closed.is_set():
            yield from self.next()

    def begin_again(self) -> None:
        """Read everything once more at the next look: nobody knows whether a write was made."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def close(self) -> None:
        """End a wait, and give the connection back; from any thread."""
        with self._opening:
            self._closed.set()
        if (follower := self._follower) is not None:
            follower.close()

    def _open(self) -> Follower:
        with self._opening:
            if self._closed.is_set():
                raise StoreUnavailable("closed")
            if self._follower is None:
                self._follower = self._store.follow(self._prefix)
            return self._follower

    def _take_snapshot(self, snapshot: Snapshot) -> list[Seen]:
        found = {item.key: item for item in snapshot.items}
        gone = [ref for ref in self.objects if ref.key not in found]
        self.items = {key: item for key, item in found.items() if key.startswith(self._others or "\0")}
        self.refused = {key: said for key, said in self.refused.items() if key in found}
        self.is_synced = True
        seen = [self._set(ref, None) for ref in gone]
        newest_last = sorted(snapshot.items, key=lambda item: item.version)
        return seen + [one for item in newest_last if (one := self._note(item.key, item))]

    def _take(self, events: Sequence[Event]) -> list[Seen]:
        return [one for event in events if (one := self._note(event.key, event.item))]

    def _note(self, key: str, item: Item | None) -> Seen | None:
        if self._others and key.startswith(self._others):
            _set_or_pop(self.items, key, item)
            return None
        ref = ref_in_key(key)
        if ref is None or ref.kind not in self._kinds:
            return None
        before = self.objects.get(ref)
        if item is None:
            self.refused.pop(key, None)
            return self._set(ref, None) if before else None
        if before is not None and before.version == item.version:
            return None
        return self._set(ref, self._read(ref, item))

    def _read(self, ref: Ref, item: Item) -> Object | None:
        """Read an object; one that is none counts as gone, and is named in `refused`."""
        try:
            found = read_item(ref, item)
        except BadObject as error:
            self.refused[item.key] = str(error)
            return None
        self.refused.pop(item.key, None)
        return found

    def _set(self, ref: Ref, now: Object | None) -> Seen:
        before = self.objects.pop(ref, None)
        if now is not None:
            self.objects[ref] = now
        return Seen(ref, now, before)


def _set_or_pop(items: dict[str, Item], key: str, item: Item | None) -> None:
    if item is None:
        items.pop(key, None)
    else:
        items[key] = item
