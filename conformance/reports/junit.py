"""JUnit XML, which CI servers read: a suite per plugin, a case per clause."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from conformance.reports.again import again
from conformance.reports.report import Report, Subject
from conformance.running.verdict import Outcome, Verdict

# What XML 1.0 has no way to write (section 2.2); plugins print such bytes
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(report: Report, path: Path) -> None:
    """Write the file."""
    root = ElementTree.Element("testsuites", name="conformance", time=f"{report.seconds:.3f}")
    for subject in report.subjects:
        _add_suite(root, report, subject)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add_suite(root: ElementTree.Element, report: Report, subject: Subject) -> None:
    verdicts = [one for one in report.verdicts if one.plugin == subject.name]
    counts = report.counts(subject.name)
    suite = ElementTree.SubElement(
        root, "testsuite", name=f"conformance.{subject.name}", timestamp=report.made,
        tests=str(len(verdicts)), failures=str(counts[Outcome.FAILED]),
        errors=str(counts[Outcome.NOT_JUDGED]), skipped=str(counts[Outcome.NOT_APPLICABLE]),
        time=f"{sum(one.seconds for one in verdicts):.3f}",
    )  # fmt: skip
    for verdict in verdicts:
        _add_case(suite, report, verdict)


def _add_case(suite: ElementTree.Element, report: Report, verdict: Verdict) -> None:
    rule = report.rule(verdict.clause)
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"conformance.{verdict.plugin}",
        name=f"{rule.id} {rule.title}", time=f"{verdict.seconds:.3f}",
    )  # fmt: skip
    if verdict.outcome is Outcome.PASSED:
        return
    tag = {Outcome.FAILED: "failure", Outcome.NOT_APPLICABLE: "skipped", Outcome.NOT_JUDGED: "error"}
    told = ElementTree.SubElement(case, tag[verdict.outcome], message=_legible(verdict.reason))
    if verdict.outcome is Outcome.FAILED:
        steps = "\n".join(f"{what}\n    -> {seen}" for what, seen in verdict.steps)
        text = f"{rule.text}\n\n{verdict.reason}\n\n{steps}\n\nagain: {again(report, verdict)}"
        told.set("type", rule.level)
        told.text = _legible(text)


def _legible(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
