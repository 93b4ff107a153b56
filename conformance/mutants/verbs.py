"""Mutants of the clauses in clauses/verbs.py."""

from __future__ import annotations

from conformance.clause import EVERY_KIND
from conformance.mutants.mutant import Asked, Given, Good, Mutant

COMMANDS = ("ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION")


def unknown_command_succeeds(asked: Asked, good: Good) -> Given:
    """Do nothing, and call that a success, where the command does not exist."""
    return good(asked) if asked.verb in COMMANDS else Given(0)


MUTANTS = (
    Mutant(
        "1",
        "unknown-command",
        "a command that does not exist succeeds",
        EVERY_KIND,
        unknown_command_succeeds,
    ),
)
