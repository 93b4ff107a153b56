"""One HTML page that needs nothing else: what is asked, what was run, what was seen, how to run it again."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from conformance.reports.again import again
from conformance.reports.report import Report, Rule, badge
from conformance.running.verdict import Outcome, Verdict

FOLDER = Path(__file__).parent
CLASSES = {
    Outcome.PASSED: "passed", Outcome.FAILED: "failed",
    Outcome.NOT_APPLICABLE: "none", Outcome.NOT_JUDGED: "open",
}  # fmt: skip
MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_APPLICABLE: "–", Outcome.NOT_JUDGED: "?"}


def write_page(report: Report, path: Path) -> None:
    """Write the file."""
    path.write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """Return the page; it can be read without its script, which only hides what a reader does not want."""
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><title>CNI conformance</title>',
            f"<style>{(FOLDER / 'page.css').read_text()}</style></head><body>",
            *_head(report),
            *_controls(report),
            *_table(report),
            *(_clause(report, rule) for rule in report.rules),
            f"<script>{(FOLDER / 'page.js').read_text()}</script></body></html>",
        )
    )


def _head(report: Report) -> Iterator[str]:
    yield "<header><h1>CNI conformance</h1>"
    yield f"<p>{escape(report.made)} on {escape(report.machine)}, {report.seconds:.0f} s"
    yield f"{'; interrupted' if report.interrupted else ''}.</p><ul class=badges>"
    for subject in report.subjects:
        state = "failed" if report.counts(subject.name)[Outcome.FAILED] else "passed"
        yield f'<li class="{state}" title="{escape(subject.path)}">{escape(badge(report, subject))}</li>'
    yield "</ul></header>"


def _controls(report: Report) -> Iterator[str]:
    """Yield what the script makes visible: without it nothing could be chosen."""
    names = "".join(f"<option>{escape(one.name)}</option>" for one in report.subjects)
    outcomes = "".join(f'<option value="{CLASSES[one]}">{one.value}</option>' for one in Outcome)
    yield '<form id=choose hidden><label>Plugin <select name=subject><option value="">all</option>'
    yield f'{names}</select></label> <label>Outcome <select name=outcome><option value="">all</option>'
    yield f"{outcomes}</select></label></form>"


def _table(report: Report) -> Iterator[str]:
    cells = {(one.plugin, one.clause): one for one in report.verdicts}
    yield "<div class=wide><table><thead><tr><th>Clause</th><th></th>"
    yield "".join(f'<th data-subject="{escape(one.name)}">{escape(one.name)}</th>' for one in report.subjects)
    yield "</tr></thead><tbody>"
    for rule in report.rules:
        row = [_cell(rule, one.name, cells.get((one.name, rule.id))) for one in report.subjects]
        yield (
            f'<tr><td><a href="#c{escape(rule.id)}">{escape(rule.id)}</a></td>'
            f"<td>{escape(rule.title)}</td>{''.join(row)}</tr>"
        )
    yield "</tbody></table></div>"


def _cell(rule: Rule, subject: str, verdict: Verdict | None) -> str:
    if verdict is None:
        return f'<td data-subject="{escape(subject)}"></td>'
    state = CLASSES[verdict.outcome]
    return (
        f'<td class="{state}" data-subject="{escape(subject)}" title="{escape(verdict.reason)}">'
        f'<a href="#{_anchor(verdict)}">{MARKS[verdict.outcome]}</a></td>'
    )


def _clause(report: Report, rule: Rule) -> str:
    verdicts = [one for one in report.verdicts if one.clause == rule.id]
    text = "".join(f"<p>{escape(part)}</p>" for part in rule.text.split("\n\n"))
    cases = "".join(_case(report, one) for one in verdicts)
    return (
        f'<section id="c{escape(rule.id)}"><h2>{escape(rule.id)}. {escape(rule.title)}</h2>'
        f"<p class=where>{escape(rule.level)}, section {escape(rule.section)}</p>{text}{cases}</section>"
    )


def _case(report: Report, verdict: Verdict) -> str:
    state = CLASSES[verdict.outcome]
    steps = "".join(
        f"<li><code>{escape(what)}</code><pre>{escape(seen)}</pre></li>" for what, seen in verdict.steps
    )
    reason = f"<p>{escape(verdict.reason)}</p>" if verdict.reason else ""
    ran = f"<ol>{steps}</ol>" if steps else ""
    command = (
        ""
        if verdict.outcome is Outcome.NOT_APPLICABLE
        else f"<p>Again: <code>{escape(again(report, verdict))}</code></p>"
    )
    return (
        f'<details id="{_anchor(verdict)}" data-subject="{escape(verdict.plugin)}" data-outcome="{state}"'
        f'{" open" if verdict.outcome is Outcome.FAILED else ""}><summary class="{state}">'
        f"{MARKS[verdict.outcome]} {escape(verdict.plugin)}: {verdict.outcome.value} "
        f"<small>{verdict.seconds:.2f} s</small></summary>{reason}{command}{ran}</details>"
    )


def _anchor(verdict: Verdict) -> str:
    return escape(f"c{verdict.clause}-{verdict.plugin}")
