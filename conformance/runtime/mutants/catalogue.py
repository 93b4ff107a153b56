"""Every mutant of the model runtime, in the order of their clauses."""

from __future__ import annotations

from conformance.runtime.mutants import configuration, occasions, order, results, surroundings
from conformance.runtime.mutants.mutant import RuntimeMutant

RUNTIME_MUTANTS: tuple[RuntimeMutant, ...] = tuple(
    sorted(
        (
            *surroundings.MUTANTS,
            *configuration.MUTANTS,
            *results.MUTANTS,
            *order.MUTANTS,
            *occasions.MUTANTS,
        ),
        key=lambda one: int(one.clause),
    )
)
