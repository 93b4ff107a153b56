"""Every clause about runtimes, in the order of their numbers."""

from __future__ import annotations

from conformance.clause import Clause
from conformance.runtime.clauses import (
    configuration,
    occasions,
    order,
    parallel,
    results,
    surroundings,
)

RUNTIME_CLAUSES: tuple[Clause, ...] = tuple(
    sorted(
        (
            *surroundings.CLAUSES,
            *configuration.CLAUSES,
            *results.CLAUSES,
            *order.CLAUSES,
            *occasions.CLAUSES,
            *parallel.CLAUSES,
        ),
        key=lambda one: int(one.id),
    )
)
