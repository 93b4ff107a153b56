"""What cannot be used, in words for a person, for as long as it is so. Told by one thread, read by others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from threading import Lock
from typing import NamedTuple

SHOWN = 100  # conditions of one name; of a folder of a million bad objects the rest is a number
LENGTH = 500  # characters of a sentence; a name of 1 MB is not repeated


class Condition(NamedTuple):
    """One trouble: `name` in one word, `about` what or whom."""

    name: str
    about: str
    message: str


class Refusals:
    """Conditions of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = Lock()
        self._all: dict[str, str] = {}
        self._groups: dict[str, frozenset[str]] = {}

    def tell(self, about: str, message: str) -> None:
        """Begin a condition, or end it with an empty message."""
        with self._lock:
            if message:
                self._all[about[:LENGTH]] = message[:LENGTH]
            else:
                self._all.pop(about[:LENGTH], None)

    def keep_only(self, about: Collection[str]) -> None:
        """End all but those about these."""
        kept = {one[:LENGTH] for one in about}
        with self._lock:
            self._all = {about: message for about, message in self._all.items() if about in kept}

    def replace(self, group: str, troubles: Mapping[str, str]) -> None:
        """Tell all of one group (a file's, say); those of before that are not among them are over."""
        for about in self._groups.pop(group, frozenset()) - troubles.keys():
            self.tell(about, "")
        for about, message in troubles.items():
            self.tell(about, message)
        if troubles:
            self._groups[group] = frozenset(troubles)

    def conditions(self) -> tuple[Condition, ...]:
        """Return them; where there are too many, how many more."""
        with self._lock:
            found = [Condition(self._name, *one) for one in list(self._all.items())[:SHOWN]]
            if (more := len(self._all) - SHOWN) > 0:
                found.append(Condition(self._name, "others", f"and {more} more"))
        return tuple(found)
