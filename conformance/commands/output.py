"""Where a run's report goes: the terminal, and the files that were asked for."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from conformance.command import INTERRUPTED, Wrong
from conformance.reports.junit import write_junit
from conformance.reports.page import write_page
from conformance.reports.report import Report, write_report
from conformance.reports.terminal import render
from conformance.running.verdict import Outcome

FILES: dict[str, Callable[[Report, Path], None]] = {
    "json": write_report, "junit": write_junit, "html": write_page,
}  # fmt: skip
NAMES = {"json": "report.json", "junit": "junit.xml", "html": "report.html"}  # in the folder of --report


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add where the report goes."""
    parser.add_argument("--report", metavar="DIR", type=Path, help=f"write {', '.join(NAMES.values())} there")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the report as JSON")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write the report as JUnit XML")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the report as one HTML page")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="what stdout is given")


def give(report: Report, asked: argparse.Namespace) -> int:
    """Write the report everywhere; return the exit status."""
    for form, path in _files(asked).items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            FILES[form](report, path)
        except OSError as error:
            raise Wrong(f"the report cannot be written: {error}") from error
    if asked.output == "json":
        print(json.dumps(report.as_json(), indent=1))
    else:
        width = min(shutil.get_terminal_size().columns, 120)
        print(render(report, colour=has_colour(), width=width), end="")
    if report.interrupted:
        return INTERRUPTED
    return 1 if report.of(Outcome.FAILED) else 0


def has_colour() -> bool:
    """Tell whether stdout may be coloured (NO_COLOR: no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _files(asked: argparse.Namespace) -> dict[str, Path]:
    found = {form: asked.report / NAMES[form] for form in FILES} if asked.report else {}
    return found | {form: vars(asked)[form] for form in FILES if vars(asked)[form]}
