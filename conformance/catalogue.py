"""Every clause about plugins, in the order of the catalogue."""

from __future__ import annotations

from conformance.clause import Clause
from conformance.clauses import interface_names

PLUGIN_CLAUSES: tuple[Clause, ...] = (*interface_names.CLAUSES,)


def clause_of(id: str) -> Clause:
    """Return a clause by its number.

    Raises:
        KeyError: there is none of that number.
    """
    return {one.id: one for one in PLUGIN_CLAUSES}[id]
