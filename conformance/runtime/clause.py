"""The mark of a clause about runtimes: its judge is given a RuntimeCase."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import TYPE_CHECKING, cast

from conformance.clause import Clause, Level

if TYPE_CHECKING:
    from conformance.case import Case
    from conformance.runtime.case import RuntimeCase


def runtime_clause(
    id: str, level: Level, section: str, title: str, *, since: str = "0.1.0", seconds: float = 60
) -> Callable[[Callable[[RuntimeCase], None]], Clause]:
    """Make a clause about runtimes of a judging function; the function's docstring is its text.

    It is of no plugin's kind, so nobody gives it a plugin's case by mistake.
    """

    def make(judge: Callable[[RuntimeCase], None]) -> Clause:
        text = cleandoc(judge.__doc__ or "")
        as_any = cast("Callable[[Case], None]", judge)
        return Clause(id, level, section, title, text, frozenset(), since, seconds, as_any)

    return make
