"""The suite's own test: each mutant is caught by its clause (the parts' tests) and by no other.

All mutants by all clauses is `./dev conformance self-test`, or PODWIRE_TEST_ROUNDS=5 here.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

import pytest

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Kind, Level
from conformance.mutants.catalogue import MUTANTS
from conformance.mutants.cells import MODEL_OF, Cell, all_cells, sampled
from conformance.mutants.judging import judge_cells
from conformance.mutants.table import as_markdown
from conformance.runtime.mutants.catalogue import RUNTIME_MUTANTS
from tests.rounds import FACTOR

ALL = 5  # times the usual rounds: from here on every cell is judged
SPECIFIED = [one for one in PLUGIN_CLAUSES if one.level in (Level.MUST, Level.SHOULD, Level.BEHAVIOUR)]
CELLS = list(all_cells(MUTANTS, SPECIFIED))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


def test_every_clause_has_a_mutant() -> None:
    assert {one.id for one in SPECIFIED} <= {one.clause for one in MUTANTS}


def test_a_mutant_is_known_by_its_id() -> None:
    assert len({one.id for one in MUTANTS}) == len(MUTANTS)
    ids = [one.id for one in PLUGIN_CLAUSES]
    named = {one.clause for one in MUTANTS} | {pattern for one in MUTANTS for pattern in one.also}
    assert [pattern for pattern in named if not fnmatch.filter(ids, pattern)] == []


@pytest.mark.parametrize("kind", list(Kind))
def test_no_clause_catches_what_does_not_break_it(kind: Kind, tmp_path: Path) -> None:
    cells = [cell for cell in CELLS if cell.around == MODEL_OF[kind]]
    chosen = cells if FACTOR >= ALL else _others(cells)
    table = judge_cells(chosen, tmp_path, os.cpu_count() or 1, lambda verdict: None)

    assert len(table.cells) == len(chosen)
    assert table.wrong() == []


def test_the_table_has_a_row_for_each_mutant(tmp_path: Path) -> None:
    cells = [cell for cell in CELLS if cell.is_own and cell.clause.id == "42"]
    said = as_markdown(judge_cells(cells, tmp_path, 1, lambda verdict: None), "self-test")

    assert all(f"| `{cell.mutant.id}` | {cell.around} |" in said for cell in cells if cell.mutant)


def test_the_committed_table_has_every_mutant_and_nothing_wrong() -> None:
    """`./dev conformance self-test --table docs/conformance-mutants.md` makes it anew."""
    page = (Path(__file__).parents[2] / "docs" / "conformance-mutants.md").read_text()
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}

    assert " cells, 0 of them wrong" in page
    assert listed == {one.id for one in MUTANTS} | {one.id for one in RUNTIME_MUTANTS}


def _others(cells: list[Cell]) -> list[Cell]:
    """Return for every sixth mutant a clause that it does not break, the clauses by turns."""
    found = [cell for cell in sampled(cells, 1) if not cell.is_own]
    return found[::6]
