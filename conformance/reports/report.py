"""A run's report as a value, and as JSON: what all other forms are made of."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.clause import Clause, place
from conformance.running.verdict import Outcome, Verdict, read_verdict

SCHEMA = "podwire-conformance-report/1"  # the number is raised when a reader of the old form would err


@dataclass(frozen=True)
class Subject:
    """Who was judged: a plugin (its type) or a runtime (its name)."""

    name: str
    path: str  # the executable, or the runtime's command
    kind: str  # interface, chained, ipam; "runtime"
    versions: tuple[str, ...]  # CNI versions that it lists


@dataclass(frozen=True)
class Rule:
    """A clause as a report tells it."""

    id: str
    level: str
    section: str
    title: str
    text: str

    @classmethod
    def of(cls, clause: Clause) -> Rule:
        """Return what a report says of a clause."""
        return cls(clause.id, clause.level.value, clause.section, clause.title, clause.text)


@dataclass(frozen=True)
class Report:
    """What was judged, by which clauses, and what came of it."""

    made: str  # UTC, ISO 8601
    machine: str
    again: tuple[str, ...]  # the command line of this run without --type, --clause and --report
    subjects: tuple[Subject, ...]
    rules: tuple[Rule, ...]
    verdicts: tuple[Verdict, ...]
    seconds: float
    interrupted: bool = False
    unknown: tuple[str, ...] = ()  # executables in the folders that have no profile

    def of(self, outcome: Outcome) -> list[Verdict]:
        """Return the verdicts of an outcome."""
        return [one for one in self.verdicts if one.outcome is outcome]

    def rule(self, id: str) -> Rule:
        """Return a clause by its number."""
        return next(one for one in self.rules if one.id == id)

    def counts(self, subject: str = "") -> Counter[Outcome]:
        """Count the outcomes, of one plugin or of all."""
        return Counter(one.outcome for one in self.verdicts if subject in ("", one.plugin))

    def as_json(self) -> dict[str, Any]:
        """Return it for a file."""
        summary = {outcome.value: self.counts()[outcome] for outcome in Outcome}
        badges = {one.name: badge(self, one) for one in self.subjects}
        return {"schema": SCHEMA, **asdict(self), "summary": summary, "badges": badges}


def now() -> str:
    """Return the time for `made`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def this_machine() -> str:
    """Return what a reader must know of the machine: kernel and architecture."""
    return f"Linux {os.uname().release} {platform.machine()}"


def ordered(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return verdicts by plugin, then by clause."""
    return tuple(sorted(verdicts, key=lambda one: (one.plugin, place(one.clause))))


def badge(report: Report, subject: Subject) -> str:
    """Return one line: "bridge, CNI 1.1.0: 52 of 54 clauses, 2 failed, 3 not applicable"."""
    counts = report.counts(subject.name)
    judged = counts[Outcome.PASSED] + counts[Outcome.FAILED]
    said = [f"{counts[Outcome.PASSED]} of {judged} clauses"]
    said += [
        f"{counts[one]} {one}"
        for one in (Outcome.FAILED, Outcome.NOT_APPLICABLE, Outcome.NOT_JUDGED)
        if counts[one]
    ]
    version = f", CNI {subject.versions[-1]}" if subject.versions else ""
    return f"{subject.name}{version}: {', '.join(said)}"


def write_report(report: Report, path: Path) -> None:
    """Write the JSON file."""
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote.

    Raises:
        ValueError: it is no report, or one of another form.
    """
    try:
        body = json.loads(path.read_text())
        if body.get("schema") != SCHEMA:
            raise ValueError(f"its schema is {body.get('schema')!r}, this suite reads {SCHEMA!r}")
        known = {key: value for key, value in body.items() if key in Report.__dataclass_fields__}
        return Report(
            **known
            | {
                "again": tuple(body["again"]),
                "subjects": tuple(
                    Subject(**one | {"versions": tuple(one["versions"])}) for one in body["subjects"]
                ),
                "rules": tuple(Rule(**one) for one in body["rules"]),
                "verdicts": tuple(read_verdict(one) for one in body["verdicts"]),
                "unknown": tuple(body["unknown"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no report of a run: {error}") from error
