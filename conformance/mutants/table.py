"""The suite's own test: which clause catches which mutant. A clause that catches none is no clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from conformance.clause import Clause
from conformance.mutants.cells import Cell
from conformance.running.verdict import Outcome, Verdict

TITLE = "# Who catches whom"
EXPLANATION = """A mutant is a good plugin (or runtime) with one rule broken, whose number begins its name.
*Its clause says* is what the suite told of it. Other clauses that see the same fault are foreseen in the
mutant's source; every other clause must pass, or not apply."""
HEAD = (
    "| mutant | around | what it does wrong | its clause says | others that see it | passed by |",
    "|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Table:
    """What came of every cell."""

    cells: tuple[tuple[Cell, Verdict], ...]
    interrupted: bool = False

    def wrong(self) -> list[str]:
        """Return a sentence for every cell that is not as it must be."""
        return [sentence for cell, verdict in self.cells if (sentence := _wrong(cell, verdict))]

    def toothless(self, clauses: Sequence[Clause]) -> list[str]:
        """Return the clauses that judged no mutant of theirs."""
        tried = {cell.clause.id for cell, _ in self.cells if cell.is_own}
        return [one.id for one in clauses if one.id not in tried]


def _wrong(cell: Cell, verdict: Verdict) -> str:
    clause = f"clause {cell.clause.id} ({cell.clause.title})"
    if verdict.outcome is Outcome.NOT_JUDGED:
        return f"{cell.name}: {clause} could not judge: {verdict.reason}"
    if cell.is_own and not _failed(verdict):
        ended = f"{verdict.outcome.value} {verdict.reason}"
        return f"{cell.name}, which breaks it, was not caught by {clause}: {ended}"
    if _failed(verdict) and not cell.may_fail:
        return f"{cell.name} was caught by {clause}, which it does not break: {verdict.reason}"
    return ""


def _failed(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAILED


def as_markdown(table: Table, command: str) -> str:
    """Return a page: what the run was, and a row per mutant and what it was put around."""
    rows: dict[tuple[str, str], list[tuple[Cell, Verdict]]] = {}
    for cell, verdict in table.cells:
        if cell.mutant is not None:
            rows.setdefault((cell.mutant.id, cell.around), []).append((cell, verdict))
    head = (TITLE, "", *_summary(table, command), "", EXPLANATION, "")
    return "\n".join((*head, *HEAD, *(_row(found) for found in rows.values()))) + "\n"


def _summary(table: Table, command: str) -> tuple[str, ...]:
    mutants = {cell.mutant.id for cell, _ in table.cells if cell.mutant}
    clauses = {cell.clause.id for cell, _ in table.cells}
    wrong = table.wrong()
    begun = f"{datetime.now(UTC):%Y-%m-%d}, by `{command}`{', which was interrupted' * table.interrupted}"
    return (
        f"{begun}: {len(mutants)} mutants, {len(clauses)} clauses, {len(table.cells)} cells, "
        f"{len(wrong)} of them wrong.",
        *(f"\n- {one.splitlines()[0]}" for one in wrong),
    )


def _row(found: Sequence[tuple[Cell, Verdict]]) -> str:
    cell = found[0][0]
    assert cell.mutant is not None
    own = [verdict for one, verdict in found if one.is_own]
    others = [one.clause.id for one, verdict in found if _failed(verdict) and not one.is_own]
    passed = sum(verdict.outcome is Outcome.PASSED for _, verdict in found)
    said = own[0].reason if own else "(not promised by it)"
    columns = (
        f"`{cell.mutant.id}`", cell.around, cell.mutant.breaks, said, ", ".join(others) or "none", passed
    )  # fmt: skip
    return f"| {' | '.join(str(one).replace('|', chr(92) + '|').replace(chr(10), ' ') for one in columns)} |"
