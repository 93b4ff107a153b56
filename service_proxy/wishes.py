"""Who asks for certain things that somebody else has: looked at again when these become free. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from service_proxy.model import ServiceName


class Wishes:
    """Things that services asked for by name and did not get. All steps are O(1) for each thing."""

    def __init__(self) -> None:
        self._wishing: dict[str, set[ServiceName]] = {}  # by thing
        self._wished: dict[ServiceName, tuple[str, ...]] = {}
        self._granted: set[ServiceName] = set()

    def note(self, name: ServiceName, missed: tuple[str, ...]) -> None:
        """Take in what a service misses now, () for nothing."""
        for thing in self._wished.pop(name, ()):
            wishing = self._wishing[thing]
            wishing.discard(name)
            if not wishing:
                del self._wishing[thing]
        self._granted.discard(name)
        if missed:
            self._wished[name] = tuple(dict.fromkeys(missed))
            for thing in self._wished[name]:
                self._wishing.setdefault(thing, set()).add(name)

    def grant(self, things: Iterable[str]) -> None:
        """Note that things are free now."""
        for thing in things:
            self._granted |= self._wishing.get(thing, set())

    def grant_all(self) -> None:
        """Note that anything may be free now."""
        self._granted |= self._wished.keys()

    def granted(self) -> set[ServiceName]:
        """Return who should ask again; each is told once."""
        found, self._granted = self._granted, set()
        return found
