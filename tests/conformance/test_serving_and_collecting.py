"""STATUS to names (37 to 58): good plugins keep the clauses, and each catches the plugins that break it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance.clauses import collecting, concurrency, delegation, identifiers, keys, status, versions
from conformance.mutants import collecting as collecting_mutants
from conformance.mutants import configuration as configuration_mutants
from conformance.mutants import delegation as delegation_mutants
from conformance.mutants import readiness as readiness_mutants
from conformance.mutants.cells import all_cells
from tests.conformance.cells import around_one_kind, judged, of_one_kind

CLAUSES = (
    *status.CLAUSES,
    *versions.CLAUSES,
    *collecting.CLAUSES,
    *concurrency.CLAUSES,
    *delegation.CLAUSES,
    *keys.CLAUSES,
    *identifiers.CLAUSES,
)
MUTANTS = (
    *readiness_mutants.MUTANTS,
    *collecting_mutants.MUTANTS,
    *delegation_mutants.MUTANTS,
    *configuration_mutants.MUTANTS,
)
CELLS = tuple(all_cells(MUTANTS, CLAUSES))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


def test_every_clause_from_37_to_58_is_there_and_has_a_mutant() -> None:
    numbers = {str(number) for number in range(37, 59)}
    assert {one.id for one in CLAUSES} == numbers
    assert {one.clause for one in MUTANTS} == numbers


def test_good_plugins_keep_every_clause(tmp_path: Path) -> None:
    assert judged(of_one_kind(CELLS), tmp_path) == []


def test_each_mutant_is_caught(tmp_path: Path) -> None:
    assert judged(around_one_kind(CELLS), tmp_path) == []
