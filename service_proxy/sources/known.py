"""What a feed has told of one kind: values by key, and the versions that they were read at.

What comes twice, late or out of order is no news. An object that has become bad says what it said before,
and is a condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from service_proxy.catalogue import Changed, Key, Kind, Listed, Value
from service_proxy.objects import RefusedObject, parse
from service_proxy.sources.identity import JsonObject, shown
from service_proxy.sources.refusals import Refusals

GONE_KEPT = 4096  # objects of which is remembered that they have gone; a late event is late by a few


class Read(NamedTuple):
    """One object as a registry had it: a value, or why there is none, or neither, when it has gone.

    `version` grows with each change; 0 where order is certain. `note`: what was left out of the value.
    """

    key: Key
    version: int = 0
    value: Value | None = None
    refused: str = ""
    note: str = ""


def read(kind: Kind, key: Key, item: JsonObject, version: int = 0) -> Read:
    """Judge an object."""
    notes: list[str] = []
    try:
        value = parse(kind, item, notes)
        note = f"{notes[0]}{f' (and {len(notes) - 1} more)' if notes[1:] else ''}" if notes else ""
        return Read(key, version, value, note=note)
    except RefusedObject as error:
        return Read(key, version, None, f"{error}")


class Known:
    """All of one kind."""

    def __init__(self, kind: Kind, refusals: Refusals) -> None:
        self._kind, self._refusals = kind, refusals
        self._values: dict[Key, Value] = {}
        self._versions: dict[Key, int] = {}
        self._gone: dict[Key, int] = {}  # the version at which it went

    def listed(self, found: Iterable[Read]) -> Listed:
        """Take all there is."""
        before, self._values = self._values, {}
        self._versions.clear()
        self._gone.clear()
        refused = set()
        for one in found:
            value = one.value if one.value is not None else before.get(one.key)
            if value is not None:
                self._values[one.key] = value
            self._versions[one.key] = one.version
            if one.refused or one.note:
                refused.add(shown(self._kind, one.key))
                self._refusals.tell(shown(self._kind, one.key), one.refused or one.note)
        self._refusals.keep_only(refused)
        return Listed(self._kind, dict(self._values))

    def changed(self, one: Read) -> Changed | None:
        """Take one object; None if that is no news."""
        known = self._versions.get(one.key, self._gone.get(one.key, 0))
        if one.version and one.version <= known:
            return None
        self._refusals.tell(shown(self._kind, one.key), one.refused or one.note)
        if one.value is None and not one.refused:
            return self._removed(one)
        self._gone.pop(one.key, None)
        self._versions[one.key] = one.version
        if one.value is None or one.value == self._values.get(one.key):
            return None
        self._values[one.key] = one.value
        return Changed(self._kind, one.key, one.value)

    def _removed(self, one: Read) -> Changed | None:
        self._versions.pop(one.key, None)
        if one.version:
            self._gone[one.key] = one.version
            if len(self._gone) > GONE_KEPT:
                del self._gone[next(iter(self._gone))]
        was_there = self._values.pop(one.key, None) is not None
        return Changed(self._kind, one.key, None) if was_there else None
