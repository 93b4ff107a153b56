"""Make conformance-report-debian.md of a run and of what was found out by hand about its failures.

./dev conformance plugin --cni-path /usr/lib/cni --json report.json
python docs/report_debian.py report.json >docs/conformance-report-debian.md
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from conformance.clause import place
from conformance.reports.report import Report, badge, read_report
from conformance.running.verdict import Outcome

WIDTH = 120
FINDINGS = Path(__file__).parents[1] / "tests" / "conformance" / "debian_findings.json"
HEAD = """# Debian's CNI plugins, judged

{package}, judged on {made} ({machine})
by `python -m conformance plugin --cni-path /usr/lib/cni`. They speak CNI up to 1.0.0, so the
clauses of 1.1.0 (STATUS, GC) are not applicable. Each kind of failure below was also made by
hand, calling the plugins without the suite, or read in their source, and is the plugin's.
`docs/report_debian.py` makes this page; a test holds that the failures are these and no others.
"""


def lines(report: Report) -> Iterator[str]:
    """Yield the page's lines: a line for each plugin, then a section for each failing clause."""
    found = json.loads(FINDINGS.read_text())
    yield HEAD.format(package=found["package"], made=report.made[:10], machine=report.machine)
    for subject in report.subjects:
        yield f"- {badge(report, subject)}"
    said = {(one.plugin, one.clause): one.reason for one in report.of(Outcome.FAILED)}
    for rule in sorted(report.rules, key=lambda one: place(one.id)):
        findings = [one for one in found["findings"] if one["clause"] == rule.id]
        if findings:
            yield f"\n## {rule.id}. {rule.title}\n\n{rule.level}, section {rule.section}."
        for one in findings:
            yield from _section(rule.id, one, said)


def _section(clause: str, finding: dict[str, list[str]], said: dict[tuple[str, str], str]) -> Iterator[str]:
    yield "\n" + textwrap.fill(f"**{', '.join(finding['plugins'])}.** {finding['why']}", WIDTH) + "\n"
    plugin = finding["plugins"][0]
    yield f"    $ python -m conformance plugin --cni-path /usr/lib/cni --type {plugin} --clause {clause}"
    reason = _short(said.get((plugin, clause), "it passed in this run"))
    yield textwrap.indent(textwrap.fill(reason, WIDTH - 4), "    ")


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= 300 else f"{text[:300]}..."


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(read_report(Path(sys.argv[1])))) + "\n")
