"""A plugin that knows no CHECK. It is in no catalogue: it breaks all that is said about CHECK."""

from __future__ import annotations

from dataclasses import replace

from conformance.clause import Kind
from conformance.mutants.mutant import Asked, Given, Good, Mutant


def without_check(asked: Asked, good: Good) -> Given:
    """Answer CHECK as a command that there is not."""
    if asked.verb != "CHECK":
        return good(asked)
    given = good(asked.with_environment(CNI_COMMAND="CHEQUE"))
    return replace(given, stdout=given.stdout.replace("CHEQUE", "CHECK"))


MUTANTS = (Mutant("1", "no-check", "there is no CHECK", frozenset({Kind.INTERFACE}), without_check),)
