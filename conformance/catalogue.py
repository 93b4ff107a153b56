"""Every clause about plugins, in the order of the catalogue."""

from __future__ import annotations

from conformance.clause import Clause
from conformance.clauses import (
    chaining,
    checking,
    checking_damage,
    deleting,
    deleting_ruins,
    error_codes,
    errors,
    failed_adds,
    interface_names,
    results,
    verbs,
)

PLUGIN_CLAUSES: tuple[Clause, ...] = (
    *verbs.CLAUSES,
    *errors.CLAUSES,
    *error_codes.CLAUSES,
    *interface_names.CLAUSES,
    *results.CLAUSES,
    *chaining.CLAUSES,
    *failed_adds.CLAUSES,
    *deleting.CLAUSES,
    *deleting_ruins.CLAUSES,
    *checking.CLAUSES,
    *checking_damage.CLAUSES,
)


def clause_of(id: str) -> Clause:
    """Return a clause by its number.

    Raises:
        KeyError: there is none of that number.
    """
    return {one.id: one for one in PLUGIN_CLAUSES}[id]
