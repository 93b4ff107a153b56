"""Whoever writes objects where the store source reads them: a runner its pods, `podwire service apply`.

Everything is decided on what was read, and written only if that still holds: two writers never undo each
other.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from cluster_store.store import Check, Conflict, Delete, Item, Put, Store, StoreRefused, StoreUnavailable
from service_proxy.catalogue import Key, Kind
from service_proxy.objects import RefusedObject, parse
from service_proxy.sources.identity import JsonObject, Unnamed, folder, key_of, key_path, shown
from service_proxy.sources.store import object_of

ATTEMPTS = 16  # of one change, while others are faster; after so many something is wrong
Change = Callable[[JsonObject | None], JsonObject | None]


class ObjectStore:
    """Kubernetes-shaped objects under a prefix of a store; for one thread at a time."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def get(self, kind: Kind, key: Key) -> JsonObject | None:
        """Return an object, None if there is none. Raises StoreUnavailable, StoreRefused."""
        item = self._store.read(key_path(kind, key, self._prefix))
        return None if item is None else _body(item)

    def list(self, kind: Kind) -> list[JsonObject]:
        """Return all of a kind that are objects at all. Raises StoreUnavailable, StoreRefused."""
        found = []
        for item in self._store.list(folder(kind, self._prefix)).items:
            try:
                found.append(object_of(item.value))
            except ValueError:  # the source has a condition for it
                continue
        return found

    def put(self, kind: Kind, item: JsonObject, lease: int = 0) -> None:
        """Write an object, whatever was there; with a lease it ends with that.

        Raises:
            RefusedObject, Unnamed: it is none that could be used.
            StoreUnavailable, StoreRefused, LeaseGone.
        """
        self.change(kind, key_of(kind, item), lambda _: item, lease)

    def change(self, kind: Kind, key: Key, change: Change, lease: int = 0) -> JsonObject | None:
        """Write what `change` makes of what is there (None: nothing, to be removed); return that.

        `change` is asked again if somebody was faster. Raises as `put`.
        """
        path = key_path(kind, key, self._prefix)
        for _ in range(ATTEMPTS):
            item = self._store.read(path)
            wanted = change(_body(item) if item else None)
            if wanted is not None:
                _judge(kind, key, wanted)
            try:
                self._commit(path, item, wanted, lease)
            except Conflict:
                continue
            return wanted
        raise StoreUnavailable(f"{self._store.name}: others change {shown(kind, key)} all the time")

    def delete(self, kind: Kind, key: Key) -> bool:
        """Remove an object; tell whether there was one. Raises StoreUnavailable, StoreRefused."""
        path = key_path(kind, key, self._prefix)
        was_there = self._store.read(path) is not None
        if was_there:
            self._store.commit((), [Delete(path)])
        return was_there

    def _commit(self, path: str, item: Item | None, wanted: JsonObject | None, lease: int) -> None:
        check = Check(path, item.version if item else 0)
        if wanted is not None:
            text = json.dumps(wanted, separators=(",", ":"))
            self._store.commit([check], [Put(path, text, lease)])
        elif item is not None:
            self._store.commit([check], [Delete(path)])


def _body(item: Item) -> JsonObject:
    try:
        return object_of(item.value)
    except ValueError as error:
        raise StoreRefused(f"{item.key}: {error}; mend or remove it") from error


def _judge(kind: Kind, key: Key, item: JsonObject) -> None:
    """See that the source will take it. Raises RefusedObject, Unnamed."""
    parse(kind, item)
    if (named := key_of(kind, item)) != key:
        raise Unnamed(f"{shown(kind, key)} is to be called {shown(kind, named)} inside")


__all__ = ["ObjectStore", "RefusedObject", "Unnamed"]
