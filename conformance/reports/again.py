"""The command that runs one case again."""

from __future__ import annotations

import shlex

from conformance.reports.report import Report
from conformance.running.verdict import Verdict


def again(report: Report, verdict: Verdict) -> str:
    """Return the command that judges one clause on one plugin once more, as the run did."""
    words = [*report.again]
    if "plugin" in words:
        words += ["--type", verdict.plugin]
    return shlex.join([*words, "--clause", verdict.clause])
