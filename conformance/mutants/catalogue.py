"""Every mutant, by the number of its clause."""

from __future__ import annotations

from conformance.mutants import (
    checking,
    collecting,
    configuration,
    datapath,
    delegation,
    deleting,
    error_codes,
    errors,
    failed_adds,
    fast,
    interface_names,
    readiness,
    results,
    robust_input,
    robust_trouble,
    verbs,
)
from conformance.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *verbs.MUTANTS,
    *errors.MUTANTS,
    *error_codes.MUTANTS,
    *interface_names.MUTANTS,
    *results.MUTANTS,
    *failed_adds.MUTANTS,
    *deleting.MUTANTS,
    *checking.MUTANTS,
    *readiness.MUTANTS,
    *collecting.MUTANTS,
    *delegation.MUTANTS,
    *configuration.MUTANTS,
    *robust_input.MUTANTS,
    *robust_trouble.MUTANTS,
    *datapath.MUTANTS,
    *fast.MUTANTS,
)


def mutant_of(id: str) -> Mutant:
    """Return a mutant by its id.

    Raises:
        KeyError: there is none.
    """
    return {one.id: one for one in MUTANTS}[id]
