"""A whole run: which clauses on whom, in parallel, told about as they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from conformance.clause import Clause, Level
from conformance.running.judging import Task, judge, not_applicable
from conformance.running.pool import work_apart
from conformance.running.verdict import Outcome, Verdict, read_verdict

LOST = "the process that judged ended early"
Told = Callable[[Verdict], None]  # hears of every verdict as it comes


@dataclass(frozen=True)
class Piece:
    """One clause on a plugin or a runtime: who it is, and what judges it, in a process without threads."""

    name: str
    clause: Clause
    judge: Callable[[], Verdict]
    at_once: bool = False  # there is nothing to be done: the verdict is known without a process


@dataclass(frozen=True)
class Run:
    """What came of the pieces, in their order; fewer than there were where it was interrupted."""

    verdicts: tuple[Verdict, ...]
    interrupted: bool


def run_tasks(tasks: Sequence[Task], at_once: int, told: Told, seconds: float | None = None) -> Run:
    """Judge plugins; `seconds` replaces the clauses' own time limits."""
    return run_pieces([piece_of(task, seconds) for task in tasks], at_once, told)


def piece_of(task: Task, seconds: float | None = None) -> Piece:
    """Return the piece of work that a task is."""
    limited = replace(task, clause=with_limit(task.clause, seconds))
    return Piece(task.plugin.type, task.clause, partial(judge, limited), bool(not_applicable(task)))


def with_limit(clause: Clause, seconds: float | None) -> Clause:
    """Return a clause with another time limit."""
    return clause if seconds is None else replace(clause, seconds=seconds)


def run_pieces(pieces: Sequence[Piece], at_once: int, told: Told) -> Run:
    """Judge every piece.

    What measures time (level fast) has the machine for itself: it comes last, one at a time. Ctrl-C ends the
    run; what was judged before is kept.
    """
    found: dict[int, Verdict] = {}

    def hear(at: int, verdict: Verdict) -> None:
        found[at] = verdict
        told(verdict)

    places: dict[str, list[int]] = {"known": [], "timed": [], "others": []}
    for at, piece in enumerate(pieces):
        places[_class_of(piece)].append(at)
    try:
        for at in places["known"]:
            hear(at, pieces[at].judge())
        for which, width in (("others", at_once), ("timed", 1)):
            works = [partial(_body, pieces[at]) for at in places[which]]
            for place, body in work_apart(works, width):
                at = places[which][place]
                hear(at, read_verdict(body) if body else _lost(pieces[at]))
    except KeyboardInterrupt:
        return Run(tuple(found[at] for at in sorted(found)), True)
    return Run(tuple(found[at] for at in sorted(found)), False)


def _class_of(piece: Piece) -> str:
    if piece.at_once:
        return "known"
    return "timed" if piece.clause.level is Level.FAST else "others"


def _body(piece: Piece) -> dict[str, Any]:
    return piece.judge().as_json()


def _lost(piece: Piece) -> Verdict:
    return Verdict(piece.name, piece.clause.id, Outcome.NOT_JUDGED, LOST, (), 0)
