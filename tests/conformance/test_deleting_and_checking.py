"""The clauses about DEL and CHECK: good plugins keep them, and each catches the plugins that break it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conformance.clauses import checking, checking_damage, deleting, deleting_ruins
from conformance.mutants import checking as checking_mutants
from conformance.mutants import deleting as deleting_mutants
from conformance.mutants.cells import all_cells
from tests.conformance.cells import around_one_kind, judged

CLAUSES = (*deleting.CLAUSES, *deleting_ruins.CLAUSES, *checking.CLAUSES, *checking_damage.CLAUSES)
MUTANTS = (*deleting_mutants.MUTANTS, *checking_mutants.MUTANTS)
CELLS = tuple(all_cells(MUTANTS, CLAUSES))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


def test_every_clause_from_19_to_36_is_there_and_has_a_mutant() -> None:
    numbers = {str(number) for number in range(19, 37)}
    assert {one.id for one in CLAUSES} == numbers
    assert {one.clause for one in MUTANTS} == numbers


def test_good_plugins_keep_every_clause(tmp_path: Path) -> None:
    assert judged([cell for cell in CELLS if cell.mutant is None], tmp_path) == []


def test_each_mutant_is_caught(tmp_path: Path) -> None:
    assert judged(around_one_kind(CELLS), tmp_path) == []
