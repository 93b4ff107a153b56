"""`self-test`: judge plugins that break one rule each; every clause must catch its own, and no other."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from conformance.catalogue import PLUGIN_CLAUSES
from conformance.command import INTERRUPTED
from conformance.commands.options import add_choice, add_running, chosen, need_root
from conformance.mutants.catalogue import MUTANTS
from conformance.mutants.table import MODEL_OF, all_cells, as_markdown, judge_cells, sampled
from conformance.running.progress import Progress


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_choice(parser)
    parser.set_defaults(level="must,should,behaviour,robust,datapath")
    parser.add_argument(
        "--mutant", nargs="+", action="extend", default=[], metavar="ID", help="these mutants only"
    )
    parser.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="of the other clauses N for each mutant, not all (a tenth of the time)",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table there, as Markdown")
    add_running(parser)


def run(asked: argparse.Namespace) -> int:
    """Judge the mutants and say what is wrong with the suite."""
    clauses = chosen(PLUGIN_CLAUSES, asked)
    need_root(asked.program)
    ids = {one.id for one in clauses}
    mutants = [one for one in MUTANTS if one.clause in ids and (not asked.mutant or one.id in asked.mutant)]
    cells = list(all_cells(mutants, clauses))
    if asked.sample is not None:
        cells = sampled(cells, asked.sample)
    expected = Counter(MODEL_OF[cell.kind] for cell in cells)
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        closing(Progress(expected)) as progress,
    ):
        table = judge_cells(cells, Path(folder), asked.jobs, progress)
    if asked.table:
        asked.table.write_text(as_markdown(table))
    toothless = [] if asked.mutant else table.toothless(clauses)
    wrong = table.wrong() + [f"clause {id} has no mutant" for id in toothless]
    print("\n".join([*wrong, f"{len(mutants)} mutants, {len(table.cells)} cells, {len(wrong)} wrong"]))
    return INTERRUPTED if table.interrupted else int(bool(wrong))
