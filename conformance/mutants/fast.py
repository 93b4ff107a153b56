"""Mutants of the clauses in fast/: a plugin that dawdles at one verb."""

from __future__ import annotations

import time
from collections.abc import Callable

from conformance.clause import EVERY_KIND
from conformance.mutants.mutant import Asked, Given, Good, Mutant

TOO_LONG = 0.5  # seconds; what is compared with takes a tenth of it


def dawdles(verb: str) -> Callable[[Asked, Good], Given]:
    """Wait before one verb."""

    def act(asked: Asked, good: Good) -> Given:
        if asked.verb == verb:
            time.sleep(TOO_LONG)  # it is what this mutant is for
        return good(asked)

    return act


MUTANTS = tuple(
    Mutant(f"fast-{verb.lower()}", "dawdles", f"{verb} takes its time", EVERY_KIND, dawdles(verb))
    for verb in ("ADD", "DEL", "CHECK", "VERSION")
)
