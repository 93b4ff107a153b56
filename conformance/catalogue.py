"""Every clause about plugins, in the order of the catalogue."""

from __future__ import annotations

from conformance.clause import Clause, place
from conformance.clauses import (
    chaining,
    checking,
    checking_damage,
    collecting,
    concurrency,
    delegation,
    deleting,
    deleting_ruins,
    error_codes,
    errors,
    failed_adds,
    identifiers,
    interface_names,
    keys,
    results,
    status,
    verbs,
    versions,
)
from conformance.datapath import hiding, host_ports, reaching, refusing, shaping
from conformance.fast import times
from conformance.robust import crowds, disks, environment, kills, no_json, streams, wrong_values

_UNSORTED: tuple[Clause, ...] = (
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
    *status.CLAUSES,
    *versions.CLAUSES,
    *collecting.CLAUSES,
    *concurrency.CLAUSES,
    *delegation.CLAUSES,
    *keys.CLAUSES,
    *identifiers.CLAUSES,
    *no_json.CLAUSES,
    *wrong_values.CLAUSES,
    *environment.CLAUSES,
    *streams.CLAUSES,
    *kills.CLAUSES,
    *disks.CLAUSES,
    *crowds.CLAUSES,
    *reaching.CLAUSES,
    *host_ports.CLAUSES,
    *hiding.CLAUSES,
    *refusing.CLAUSES,
    *shaping.CLAUSES,
    *times.CLAUSES,
)
PLUGIN_CLAUSES = tuple(sorted(_UNSORTED, key=lambda one: place(one.id)))


def clause_of(id: str) -> Clause:
    """Return a clause by its number.

    Raises:
        KeyError: there is none of that number.
    """
    return {one.id: one for one in PLUGIN_CLAUSES}[id]
