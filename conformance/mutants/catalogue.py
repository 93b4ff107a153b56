"""Every mutant, by the number of its clause."""

from __future__ import annotations

from conformance.mutants import collecting, configuration, delegation, interface_names, readiness
from conformance.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *interface_names.MUTANTS,
    *readiness.MUTANTS,
    *collecting.MUTANTS,
    *delegation.MUTANTS,
    *configuration.MUTANTS,
)


def mutant_of(id: str) -> Mutant:
    """Return a mutant by its id.

    Raises:
        KeyError: there is none.
    """
    return {one.id: one for one in MUTANTS}[id]
