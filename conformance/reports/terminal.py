"""The report that a terminal shows: a table, the failures with their sentences, a line for each plugin."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from conformance.reports.again import again
from conformance.reports.report import Report, Rule, badge
from conformance.running.verdict import Outcome, Verdict

MARKS = {
    Outcome.PASSED: ("ok", "32"),  # text, ANSI colour
    Outcome.FAILED: ("FAIL", "1;31"),
    Outcome.NOT_APPLICABLE: ("-", "2"),
    Outcome.NOT_JUDGED: ("?", "33"),
}
TITLE = 58  # columns for a clause's title
LEVEL = {"must": "M", "should": "S", "behaviour": "B", "robust": "R", "datapath": "D", "fast": "F"}


def render(report: Report, *, colour: bool, width: int = 100) -> str:
    """Return the whole text."""
    parts = [*_table(report, colour), "", *_failures(report, colour, width), *_open(report, width)]
    return "\n".join([*parts, *_summary(report, colour)]) + "\n"


def _table(report: Report, colour: bool) -> Iterator[str]:
    names = [one.name for one in report.subjects]
    widths = [max(len(name), 4) for name in names]
    cells = {(one.plugin, one.clause): one.outcome for one in report.verdicts}
    head = "  ".join(name.rjust(wide) for name, wide in zip(names, widths, strict=True))
    yield f"{'':{TITLE + 6}}{head}"
    for section, rules in _sections(report.rules):
        yield _coloured(section, "1", colour)
        for rule in rules:
            row = [
                _cell(cells.get((name, rule.id)), wide, colour)
                for name, wide in zip(names, widths, strict=True)
            ]
            yield f"{_label(rule)}{'  '.join(row)}"
    yield ""
    yield "M must, S should, B behaviour, R robust, D datapath, F fast; - not applicable, ? not judged"


def _label(rule: Rule) -> str:
    id = rule.id if rule.id.isdigit() else ""
    title = rule.title if id else f"{rule.id}: {rule.title}"
    return f"{id:>3} {LEVEL.get(rule.level, ' ')} {_cut(title, TITLE - 1):{TITLE}}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _sections(rules: Sequence[Rule]) -> Iterator[tuple[str, list[Rule]]]:
    """Group clauses by the specification's section, in the order of the first clause of each."""
    groups: dict[str, list[Rule]] = {}
    for rule in rules:
        beyond = rule.level in ("robust", "datapath", "fast")
        title = f"Beyond the specification: {rule.level}" if beyond else f"Section {rule.section}"
        groups.setdefault(title, []).append(rule)
    yield from groups.items()


def _cell(outcome: Outcome | None, width: int, colour: bool) -> str:
    text, code = MARKS[outcome] if outcome else ("", "")
    return " " * (width - len(text)) + _coloured(text, code, colour)


def _failures(report: Report, colour: bool, width: int) -> Iterator[str]:
    for verdict in report.of(Outcome.FAILED):
        rule = report.rule(verdict.clause)
        head = f"{verdict.plugin}, clause {rule.id} ({rule.level}, section {rule.section}): {rule.title}"
        yield f"{_coloured('FAILED', MARKS[Outcome.FAILED][1], colour)} {head}"
        yield from textwrap.wrap(verdict.reason, width, initial_indent="    ", subsequent_indent="    ")
        yield f"    again: {again(report, verdict)}"
        yield ""


def _open(report: Report, width: int) -> Iterator[str]:
    """Say what could not be judged, once per reason."""
    reasons: dict[str, list[Verdict]] = {}
    for verdict in report.of(Outcome.NOT_JUDGED):
        reasons.setdefault(verdict.reason, []).append(verdict)
    for reason, verdicts in reasons.items():
        which = ", ".join(sorted({f"{one.plugin} {one.clause}" for one in verdicts}))
        yield from textwrap.wrap(f"NOT JUDGED {which}: {reason}", width, subsequent_indent="    ")
        yield ""


def _summary(report: Report, colour: bool) -> Iterator[str]:
    if report.unknown:
        yield f"no profile, so not judged: {', '.join(report.unknown)} (write one: conformance init NAME)"
    if report.interrupted:
        yield "interrupted: this is what was judged until then"
    for subject in report.subjects:
        failed = report.counts(subject.name)[Outcome.FAILED]
        yield _coloured(
            badge(report, subject), MARKS[Outcome.FAILED if failed else Outcome.PASSED][1], colour
        )


def _coloured(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code and text else text
