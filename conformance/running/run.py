"""A whole run: which clauses on which plugins, in parallel, told about as they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from conformance.clause import Clause, Level
from conformance.running.judging import Task, judge, not_applicable
from conformance.running.pool import work_apart
from conformance.running.verdict import Outcome, Verdict, read_verdict

LOST = "the process that judged ended early"
Told = Callable[[Verdict], None]  # hears of every verdict as it comes


@dataclass(frozen=True)
class Run:
    """What came of the tasks, in their order; fewer than there were where it was interrupted."""

    verdicts: tuple[Verdict, ...]
    interrupted: bool


def run_tasks(tasks: Sequence[Task], at_once: int, told: Told, seconds: float | None = None) -> Run:
    """Judge every task; `seconds` replaces the clauses' own time limits.

    What measures time (level fast) has the machine for itself: it comes last, one at a time. Ctrl-C ends the
    run; what was judged before is kept.
    """
    asked = [replace(task, clause=_limited(task.clause, seconds)) for task in tasks]
    found: dict[int, Verdict] = {}
    interrupted = False
    try:
        for index, verdict in _known(asked):
            found[index] = verdict
            told(verdict)
        timed = [at for at, task in enumerate(asked) if task.clause.level is Level.FAST and at not in found]
        others = [at for at in range(len(asked)) if at not in found and at not in timed]
        for which, width in ((others, at_once), (timed, 1)):
            for place, body in work_apart([partial(_verdict_of, asked[at]) for at in which], width):
                task = asked[which[place]]
                found[which[place]] = read_verdict(body) if body else _lost(task)
                told(found[which[place]])
    except KeyboardInterrupt:
        interrupted = True
    return Run(tuple(found[at] for at in sorted(found)), interrupted)


def _known(tasks: Sequence[Task]) -> list[tuple[int, Verdict]]:
    """Return the verdicts that need no process: clauses that say nothing about their plugin."""
    return [(at, judge(task)) for at, task in enumerate(tasks) if not_applicable(task)]


def _limited(clause: Clause, seconds: float | None) -> Clause:
    return clause if seconds is None else replace(clause, seconds=seconds)


def _verdict_of(task: Task) -> dict[str, object]:
    return judge(task).as_json()


def _lost(task: Task) -> Verdict:
    return Verdict(task.plugin.type, task.clause.id, Outcome.NOT_JUDGED, LOST, (), 0)
