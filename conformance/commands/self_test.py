"""`self-test`: judge plugins and runtimes that break one rule each; every clause must catch its own alone."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.case import Plugin
from conformance.catalogue import PLUGIN_CLAUSES
from conformance.clause import Clause
from conformance.command import INTERRUPTED
from conformance.commands.options import (
    add_choice,
    add_running,
    chosen,
    folders,
    need_root,
    own_profiles,
    progress,
)
from conformance.mutants.catalogue import MUTANTS
from conformance.mutants.cells import (
    Cell,
    all_cells,
    around_one_model,
    promising_cells,
    runtime_cells,
    sampled,
)
from conformance.mutants.judging import judge_cells
from conformance.mutants.mutant import Mutant
from conformance.mutants.table import Table, as_markdown
from conformance.running.finding import find_plugins
from conformance.running.run import with_limit
from conformance.runtime.catalogue import RUNTIME_CLAUSES
from conformance.runtime.mutants.catalogue import RUNTIME_MUTANTS
from conformance.runtime.mutants.mutant import RuntimeMutant


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_choice(parser)
    parser.set_defaults(level="all")
    parser.add_argument(
        "--mutant", nargs="+", action="extend", default=[], metavar="ID", help="these mutants only"
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="of the other clauses N for each mutant, not all"
    )
    parser.add_argument(
        "--every-kind",
        action="store_true",
        help="judge other clauses around an interface, a chained and an IPAM plugin, not the first that fits",
    )
    parser.add_argument(
        "--cni-path", metavar="DIR[:DIR]", help="plugins that promise what the models do not: host ports, ..."
    )
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="PROFILE.json",
        help="profiles of these",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table there, as Markdown")
    parser.add_argument(
        "--executed", action="store_true", help="execute mutants, do not fork them (four times as long)"
    )
    add_running(parser)


def run(asked: argparse.Namespace) -> int:
    """Judge the mutants and say what is wrong with the suite."""
    asked_for = chosen((*PLUGIN_CLAUSES, *RUNTIME_CLAUSES), asked)
    clauses = [with_limit(one, asked.time_limit) for one in asked_for]
    need_root(asked.program)
    plugins = _plugins(asked)
    cells = _cells(clauses, plugins, asked)
    names = [cell.around for cell in cells]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, progress(names, asked) as told:
        table = judge_cells(cells, Path(folder), asked.jobs, told, plugins, executed=asked.executed)
    if asked.table:
        asked.table.write_text(as_markdown(table, shlex.join([*asked.program.split(), *asked.words])))
    return _say(table, clauses, asked)


def _plugins(asked: argparse.Namespace) -> list[Plugin]:
    if not asked.cni_path:
        return []
    found, _ = find_plugins(folders(asked.cni_path), own=own_profiles(asked.config))
    return found


def _cells(clauses: Sequence[Clause], plugins: Sequence[Plugin], asked: argparse.Namespace) -> list[Cell]:
    ids = {one.id for one in clauses}

    def wanted(mutant: Mutant | RuntimeMutant) -> bool:
        return mutant.clause in ids and (not asked.mutant or mutant.id in asked.mutant)

    mutants = [one for one in MUTANTS if wanted(one)]
    cells = [*all_cells(mutants, clauses), *promising_cells(mutants, clauses, plugins)]
    cells = cells if asked.every_kind else around_one_model(cells)
    about_runtimes = [one for one in clauses if not one.kinds]  # of plugins
    cells += runtime_cells([one for one in RUNTIME_MUTANTS if wanted(one)], about_runtimes)
    return cells if asked.sample is None else sampled(cells, asked.sample)


def _say(table: Table, clauses: Sequence[Clause], asked: argparse.Namespace) -> int:
    """Print what is wrong, and what could not be shown here; return the exit status."""
    wrong = table.wrong()
    untried = [] if asked.mutant else table.toothless(clauses)
    known = {one.clause for one in MUTANTS} | {one.clause for one in RUNTIME_MUTANTS}
    wrong += [f"clause {id} has no mutant" for id in untried if id not in known]
    if beside := [id for id in untried if id in known]:
        print(f"no plugin here promises what these are about (--cni-path, --config): {', '.join(beside)}")
    mutants = {cell.mutant.id for cell, _ in table.cells if cell.mutant}
    print("\n".join([*wrong, f"{len(mutants)} mutants, {len(table.cells)} cells, {len(wrong)} wrong"]))
    return INTERRUPTED if table.interrupted else int(bool(wrong))
