"""Which file is believed: of several that name the same object, the first by name. Pure.

A file's objects are replaced as one; what that changes for whoever asks is what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from service_proxy.catalogue import Changed, Key, Kind, Listed, Value
from service_proxy.sources.identity import JsonObject, Unnamed, key_of, kind_of, shown, with_namespace
from service_proxy.sources.known import read

Id = tuple[Kind, Key]


class Claims:
    """The objects of all files."""

    def __init__(self) -> None:
        self._files: dict[str, dict[Id, Value]] = {}
        self._namers: dict[Id, tuple[str, ...]] = {}  # files, by name
        self._doubles: dict[Id, tuple[str, ...]] = {}

    def said_by(self, name: str) -> Mapping[Id, Value]:
        """Return what a file says."""
        return self._files.get(name, {})

    @property
    def files(self) -> frozenset[str]:
        """Return which files say anything."""
        return frozenset(self._files)

    def replace(self, name: str, objects: Mapping[Id, Value]) -> list[Changed]:
        """Take what a file says now, {} if it has gone; return what is other than before."""
        touched = self.said_by(name).keys() | objects.keys()
        old = {one: self._value(one) for one in touched}
        self._files.pop(name, None)
        if objects:
            self._files[name] = dict(objects)
        for one in touched:
            self._name(one, name, one in objects)
        return list(self._changes(old))

    def _changes(self, old: Mapping[Id, Value | None]) -> Iterator[Changed]:
        for (kind, key), value in old.items():
            now = self._value((kind, key))
            if now != value:
                yield Changed(kind, key, now)

    def _name(self, one: Id, name: str, is_named: bool) -> None:
        others = [other for other in self._namers.get(one, ()) if other != name]
        namers = tuple(sorted([*others, name] if is_named else others))
        if namers:
            self._namers[one] = namers
        else:
            self._namers.pop(one, None)
        if len(namers) > 1:
            self._doubles[one] = namers
        else:
            self._doubles.pop(one, None)

    def _value(self, one: Id) -> Value | None:
        namers = self._namers.get(one, ())
        return self._files[namers[0]][one] if namers else None

    def listed(self) -> list[Listed]:
        """Return all there is, kind by kind."""
        items: dict[Kind, dict[Key, Value]] = {kind: {} for kind in Kind}
        for (kind, key), namers in self._namers.items():
            items[kind][key] = self._files[namers[0]][kind, key]
        return [Listed(kind, items[kind]) for kind in Kind]

    def doubles(self) -> list[tuple[Id, tuple[str, ...]]]:
        """Return what several files name, and which, the believed one first. Any thread may ask."""
        return list(self._doubles.items())  # at once: no other thread comes between


def believed(
    name: str, items: Iterable[JsonObject], said: Mapping[Id, Value]
) -> tuple[dict[Id, Value], dict[str, str]]:
    """Judge the objects of file `name`: return what it says, and what is wrong with it, by whom it is about.

    What is bad says what this file `said` of it before.
    """
    found: dict[Id, Value] = {}
    troubles: dict[str, str] = {}
    for item in items:
        if (kind := kind_of(item)) is None:  # a Deployment, say: whole applications lie in one file
            continue
        named = with_namespace(kind, item)
        try:
            one = read(kind, key_of(kind, named), named)
        except Unnamed as error:
            troubles[f"{name}: {error}"] = f"{error}; it is left out"
            continue
        about = f"{name}: {shown(kind, one.key)}"
        if (kind, one.key) in found:
            troubles[about] = f"{about} is there twice; the first counts"
            continue
        if one.refused or one.note:
            troubles[about] = f"{name}: {one.refused or one.note}"
        if (value := one.value or said.get((kind, one.key))) is not None:
            found[kind, one.key] = value
    return found, troubles
