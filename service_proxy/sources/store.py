"""Objects under a prefix of a store: Kubernetes JSON at PREFIX/services/NAMESPACE/NAME and so on.

Each kind is followed for itself; a snapshot, then changes, then perhaps another snapshot is what
`cluster_store.store` promises, and what comes out here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cluster_store.store import Follower, Item, Snapshot, Store
from service_proxy.catalogue import Event, Kind
from service_proxy.sources.identity import JsonObject, Unnamed, folder, key_in_path, key_of, shown
from service_proxy.sources.known import Known, Read, read
from service_proxy.sources.refusals import Condition, Refusals


class StoreFeed:
    """A `Feed` of one kind in a store."""

    def __init__(self, store: Store, kind: Kind, prefix: str) -> None:
        """Follow the objects below `prefix`, no slash at its end. The store is closed by its opener."""
        self._kind, self._prefix = kind, prefix
        self._refusals = Refusals("BadObject")
        self._known = Known(kind, self._refusals)
        self._follower: Follower = store.follow(folder(kind, prefix))
        self._name = f"{store.name}, {folder(kind, prefix)}"

    @property
    def name(self) -> str:
        """Return what it is."""
        return self._name

    def next(self, timeout: float) -> Sequence[Event]:
        """Wait for a snapshot or changes. Raises StoreUnavailable, StoreRefused."""
        told = self._follower.next(timeout)
        if isinstance(told, Snapshot):
            return [self._known.listed(one for item in told.items if (one := self._read(item.key, item)))]
        found = (one for event in told if (one := self._read(event.key, event.item)))
        return [changed for one in found if (changed := self._known.changed(one))]

    def conditions(self) -> tuple[Condition, ...]:
        """Return the objects that cannot be used."""
        return self._refusals.conditions()

    def close(self) -> None:
        """End a wait, and give the connection back."""
        self._follower.close()

    def _read(self, path: str, item: Item | None) -> Read | None:
        """Judge what is under a key; None: it is no object's key."""
        key = key_in_path(self._kind, path, self._prefix)
        if key is None:
            return None
        if item is None:
            return Read(key)
        try:
            body = object_of(item.value)
            named = key_of(self._kind, body)
        except (ValueError, Unnamed) as error:
            return Read(key, item.version, None, f"{path}: {error}")
        if named != key:
            return Read(key, item.version, None, f"{path}: it is called {shown(self._kind, named)} inside")
        return read(self._kind, key, body, item.version)


def object_of(text: str) -> JsonObject:
    """Read a value. Raises ValueError."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, not {type(found).__name__}")
    return found
