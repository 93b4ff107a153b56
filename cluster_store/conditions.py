"""Conditions: what is not as it should be just now, each for as long as it lasts, in words for a person.

The loops that follow a registry go on whatever happens around them; this is where they say so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from threading import Lock


@dataclass(frozen=True)
class Condition:
    """One trouble. `name` in one word, `about` what or whom, `since` seconds of the epoch."""

    name: str
    about: str
    message: str
    since: float


class Conditions:
    """The troubles there are; any thread may tell of one. Changes are logged, in the name of `logger`."""

    def __init__(self, clock: Callable[[], float] = time.time, *, logger: str = "podwire") -> None:
        self._clock, self._log = clock, logging.getLogger(logger)
        self._lock = Lock()
        self._all: dict[tuple[str, str], Condition] = {}

    def tell(self, name: str, message: str, *, about: str = "") -> None:
        """Begin a condition, or end it with an empty message."""
        key = (name, about)
        with self._lock:
            before = self._all.get(key)
            if not message:
                if self._all.pop(key, None) is not None:
                    self._log.info("%s%s: over", name, f" {about}" if about else "")
                return
            if before is not None and before.message == message:
                return
            self._all[key] = Condition(name, about, message, before.since if before else self._clock())
        self._log.warning("%s%s: %s", name, f" {about}" if about else "", message)

    def keep_only(self, name: str, about: Collection[str]) -> None:
        """End all conditions of a name but those about these."""
        with self._lock:
            for key in [key for key in self._all if key[0] == name and key[1] not in about]:
                del self._all[key]

    def has(self, name: str) -> bool:
        """Tell whether there is a condition of that name."""
        with self._lock:
            return any(key[0] == name for key in self._all)

    def as_json(self) -> list[dict[str, object]]:
        """Return all, oldest first."""
        with self._lock:
            return [asdict(one) for one in sorted(self._all.values(), key=lambda one: one.since)]
