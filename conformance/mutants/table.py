"""The suite's own test: which clause catches which mutant. A clause that catches none is no clause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.case import Plugin
from conformance.clause import Clause, Kind
from conformance.forking import by_fork
from conformance.models.installing import install_model, load_models
from conformance.mutants.mutant import Mutant
from conformance.mutants.wrapping import write_mutant
from conformance.profile import shipped_profiles
from conformance.running.finding import listed_versions
from conformance.running.judging import Task
from conformance.running.run import run_tasks
from conformance.running.verdict import Outcome, Verdict

# The good plugin that a mutant is put around, by what it does with an attachment
MODEL_OF = {Kind.INTERFACE: "judge-veth", Kind.CHAINED: "judge-label", Kind.IPAM: "judge-ipam"}


@dataclass(frozen=True)
class Cell:
    """One clause on one mutant around the model of a kind; `mutant` is None for the model itself."""

    mutant: Mutant | None
    kind: Kind
    clause: Clause

    @property
    def is_own(self) -> bool:
        """Tell whether this clause is the one that must catch the mutant."""
        return self.mutant is not None and self.mutant.clause == self.clause.id

    @property
    def may_fail(self) -> bool:
        """Tell whether a failure here says nothing against the clause."""
        return self.is_own or (self.mutant is not None and self.clause.id in self.mutant.also)


@dataclass(frozen=True)
class Table:
    """What came of every cell."""

    cells: tuple[tuple[Cell, Verdict], ...]
    interrupted: bool = False

    def wrong(self) -> list[str]:
        """Return a sentence for every cell that is not as it must be."""
        return [sentence for cell, verdict in self.cells if (sentence := _wrong(cell, verdict))]

    def toothless(self, clauses: Sequence[Clause]) -> list[str]:
        """Return the clauses that have no mutant."""
        caught = {cell.clause.id for cell, _ in self.cells if cell.is_own}
        return [one.id for one in clauses if one.id not in caught]


def _wrong(cell: Cell, verdict: Verdict) -> str:
    failed = verdict.outcome is Outcome.FAILED
    clause = f"clause {cell.clause.id} ({cell.clause.title})"
    if verdict.outcome is Outcome.NOT_JUDGED:
        return f"{_name(cell)}: {clause} could not judge: {verdict.reason}"
    if cell.is_own and not failed:
        ended = f"{verdict.outcome.value} {verdict.reason}"
        return f"{_name(cell)}, which breaks it, was not caught by {clause}: {ended}"
    if failed and not cell.may_fail:
        return f"{_name(cell)} was caught by {clause}, which it does not break: {verdict.reason}"
    return ""


def _name(cell: Cell) -> str:
    return f"{cell.mutant.id if cell.mutant else 'the good model'} ({cell.kind.value})"


def all_cells(mutants: Sequence[Mutant], clauses: Sequence[Clause]) -> Iterator[Cell]:
    """Yield the models and every mutant, around each of its kinds, with every clause of that kind."""
    for mutant in (None, *mutants):
        for kind in sorted(mutant.kinds if mutant else Kind):
            yield from (Cell(mutant, kind, one) for one in clauses if kind in one.kinds)


def sampled(cells: Sequence[Cell], others: int) -> list[Cell]:
    """Return each mutant's own clause, and of the other clauses so many for each mutant, spread evenly.

    The sample is the same in every run; over all mutants every clause comes by turns.
    """
    own = [cell for cell in cells if cell.is_own]
    spread: list[Cell] = []
    step = 0
    for cell in own:
        beside = [
            one for one in cells if one.mutant is cell.mutant and one.kind is cell.kind and not one.may_fail
        ]
        spread += [beside[(step + at) % len(beside)] for at in range(min(others, len(beside)))]
        step += others
    return own + spread


def judge_cells(cells: Sequence[Cell], folder: Path, at_once: int, told: Callable[[Verdict], None]) -> Table:
    """Judge them; the mutants' executables are written into the folder."""
    plugins: dict[tuple[str, Kind], Plugin] = {}
    for cell in cells:
        key = (cell.mutant.id if cell.mutant else "", cell.kind)
        if key not in plugins:
            plugins[key] = _plugin(folder, cell)
    tasks = [
        Task(
            plugin := plugins[cell.mutant.id if cell.mutant else "", cell.kind],
            cell.clause,
            [plugin.path.parent],
        )
        for cell in cells
    ]
    load_models()
    with by_fork():
        run = run_tasks(tasks, at_once, told)
    return Table(tuple(zip(cells, run.verdicts, strict=False)), run.interrupted)


def _plugin(folder: Path, cell: Cell) -> Plugin:
    """Write a mutant, or a model, and return it; a mutant's versions are those of its model."""
    type = MODEL_OF[cell.kind]
    goods = folder / "models" / type
    if not goods.exists():
        goods.mkdir(parents=True)
        install_model(goods, type)
    good = Plugin(goods / type, shipped_profiles()[type], listed_versions(goods / type))
    if cell.mutant is None:
        return good
    place = folder / f"{cell.mutant.id}-{cell.kind.value}"
    place.mkdir()
    return replace(good, path=write_mutant(place, cell.mutant, good.path))


def as_markdown(table: Table) -> str:
    """Return the table as a page: a row per mutant."""
    rows: dict[tuple[str, Kind], list[tuple[Cell, Verdict]]] = {}
    for cell, verdict in table.cells:
        if cell.mutant is not None:
            rows.setdefault((cell.mutant.id, cell.kind), []).append((cell, verdict))
    head = (
        "| mutant | around | what it does wrong | its clause says | others that see it | passed by |",
        "|---|---|---|---|---|---|",
    )
    return "\n".join((*head, *(_row(found) for found in rows.values()))) + "\n"


def _row(found: Sequence[tuple[Cell, Verdict]]) -> str:
    cell = found[0][0]
    assert cell.mutant is not None
    own = [verdict for one, verdict in found if one.is_own]
    failed = [one.clause.id for one, verdict in found if verdict.outcome is Outcome.FAILED and not one.is_own]
    passed = sum(verdict.outcome is Outcome.PASSED for _, verdict in found)
    said = own[0].reason if own else "(not judged)"
    columns = (
        f"`{cell.mutant.id}`",
        cell.kind.value,
        cell.mutant.breaks,
        said,
        ", ".join(failed) or "none",
        passed,
    )
    return f"| {' | '.join(str(one).replace('|', chr(92) + '|').replace(chr(10), ' ') for one in columns)} |"
