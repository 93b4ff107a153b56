"""Clauses on the good models and on mutants, in small; the suite's self-test has all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from conformance.mutants.cells import Cell
from conformance.mutants.judging import judge_cells
from conformance.running.verdict import Verdict


def judged(cells: Sequence[Cell], folder: Path) -> list[str]:
    """Return a sentence for every cell that is not as it must be."""
    seen: list[Verdict] = []
    table = judge_cells(cells, folder, os.cpu_count() or 1, seen.append)
    assert len(seen) == len(cells)
    return table.wrong()


def of_one_kind(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell for each clause on a good model, of the kinds by turns."""
    kinds: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.mutant is None:
            kinds.setdefault(cell.clause.id, []).append(cell)
    return [found[at % len(found)] for at, found in enumerate(kinds.values())]


def around_one_kind(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell for each mutant, of the kinds by turns."""
    kinds: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.mutant is not None and cell.is_own:
            kinds.setdefault(cell.mutant.id, []).append(cell)
    return [found[at % len(found)] for at, found in enumerate(kinds.values())]
