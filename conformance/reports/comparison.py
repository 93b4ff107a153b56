"""Two reports side by side: what differs between them, clause by clause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.clause import place
from conformance.reports.report import Report, badge
from conformance.running.verdict import Outcome, Verdict


@dataclass(frozen=True)
class Difference:
    """One cell that two reports tell differently; None where a report has no such cell."""

    plugin: str
    clause: str
    title: str
    left: Verdict | None
    right: Verdict | None

    @property
    def is_worse(self) -> bool:
        """Tell whether the right report fails what the left one did not."""
        failed = self.right is not None and self.right.outcome is Outcome.FAILED
        return failed and (self.left is None or self.left.outcome is not Outcome.FAILED)


def compare(left: Report, right: Report) -> list[Difference]:
    """Return every cell whose outcomes differ, by plugin and clause."""
    here = {(one.plugin, one.clause): one for one in left.verdicts}
    there = {(one.plugin, one.clause): one for one in right.verdicts}
    titles = {one.id: one.title for one in (*left.rules, *right.rules)}
    keys = sorted({*here, *there}, key=lambda key: (key[0], place(key[1])))
    pairs = [(key, here.get(key), there.get(key)) for key in keys]
    return [
        Difference(plugin, id, titles[id], one, other)
        for (plugin, id), one, other in pairs
        if _outcome(one) != _outcome(other)
    ]


def render_comparison(left: Report, right: Report, names: tuple[str, str]) -> str:
    """Return the comparison as text: the plugins' lines of both, then every cell that differs."""
    return "\n".join((*_badges(left, right, names), "", *_cells(left, right), ""))


def as_json(left: Report, right: Report) -> list[dict[str, object]]:
    """Return the differences for a program."""
    return [
        {"plugin": one.plugin, "clause": one.clause, "title": one.title, "worse": one.is_worse,
         "left": _outcome(one.left), "right": _outcome(one.right)}
        for one in compare(left, right)
    ]  # fmt: skip


def _badges(left: Report, right: Report, names: tuple[str, str]) -> Iterator[str]:
    wide = max(map(len, names))
    for plugin in sorted({one.name for one in (*left.subjects, *right.subjects)}):
        for name, report in zip(names, (left, right), strict=True):
            found = [badge(report, one) for one in report.subjects if one.name == plugin]
            yield f"{name:{wide}}  {found[0] if found else f'{plugin}: not judged there'}"


def _cells(left: Report, right: Report) -> Iterator[str]:
    found = compare(left, right)
    if not found:
        yield "Every clause ended alike in both."
    for one in found:
        yield f"{one.plugin} {one.clause}: {_outcome(one.left)} -> {_outcome(one.right)}  ({one.title})"
        for side in (one.left, one.right):
            if side is not None and side.outcome is Outcome.FAILED:
                yield f"    {side.reason}"


def _outcome(verdict: Verdict | None) -> str:
    return verdict.outcome.value if verdict else "absent"
