"""Every mutant, by the number of its clause."""

from __future__ import annotations

from conformance.mutants import interface_names
from conformance.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (*interface_names.MUTANTS,)


def mutant_of(id: str) -> Mutant:
    """Return a mutant by its id.

    Raises:
        KeyError: there is none.
    """
    return {one.id: one for one in MUTANTS}[id]
