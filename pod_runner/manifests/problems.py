"""Problem: what is wrong with an object, or without effect, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

JsonObject = dict[str, object]
Route = tuple[str | int, ...]  # keys and indices that lead to a value
MOST = 100  # problems of one object that are told; who has more made a mistake of another kind


class Severity(StrEnum):
    """An error refuses the object; what is ignored has no effect here, and nothing else suffers."""

    ERROR = "error"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Problem:
    """One thing to tell. `place` is FILE:LINE:COLUMN, "" for an object that was never a text.

    `at_key`: it is about the key, not about its value.
    """

    route: Route
    sentence: str
    severity: Severity = Severity.ERROR
    at_key: bool = False
    place: str = ""

    @property
    def path(self) -> str:
        """Return where in the object, as `spec.containers[0].image`; "" is the object itself."""
        return path_of(self.route)

    @property
    def is_error(self) -> bool:
        """Tell whether it refuses the object."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        words = [self.place, self.path, self.sentence]
        return ": ".join(filter(None, words)) + ("" if self.is_error else " (ignored)")


def path_of(route: Route) -> str:
    """Return a route as people write it; a key with dots stands in brackets: `metadata.labels["a/b.c"]`."""
    path = ""
    for part in route:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier():
            path += f".{part}" if path else part
        else:
            path += f'["{printable(part)}"]'
    return path


def printable(text: str, longest: int = 60) -> str:
    """Return a text on one line, short, and without what a terminal would obey."""
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return short if short.isprintable() else ascii(short)[1:-1]


class Found:
    """Problems of one object, as they are found."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def error(self, route: Route, sentence: str, *, at_key: bool = False) -> None:
        """Note what refuses the object."""
        self._note(Problem(route, sentence, Severity.ERROR, at_key))

    def ignored(self, route: Route, sentence: str) -> None:
        """Note a key that has no effect."""
        self._note(Problem(route, sentence, Severity.IGNORED, at_key=True))

    def all(self) -> list[Problem]:
        """Return them, each once."""
        return list(self._problems)

    def has_errors(self, below: Route = ()) -> bool:
        """Tell whether there is an error at a route or below it."""
        return any(one.is_error and one.route[: len(below)] == below for one in self._problems)

    def _note(self, problem: Problem) -> None:
        if len(self._problems) < MOST or (problem.is_error and not self.has_errors()):
            self._problems[problem] = None


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that refuse."""
    return [one for one in problems if one.is_error]
