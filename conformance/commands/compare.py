"""`compare`: two reports side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from conformance.command import Wrong
from conformance.reports.comparison import as_json, compare, render_comparison
from conformance.reports.report import Report, read_report


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("left", type=Path, metavar="A.json", help="a report that was written with --json")
    parser.add_argument("right", type=Path, metavar="B.json")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="what stdout is given")


def run(asked: argparse.Namespace) -> int:
    """Print what differs; the exit status is 1 where B fails what A did not."""
    left, right = _read(asked.left), _read(asked.right)
    if asked.output == "json":
        print(json.dumps(as_json(left, right), indent=1))
    else:
        print(render_comparison(left, right, (str(asked.left), str(asked.right))), end="")
    return 1 if any(one.is_worse for one in compare(left, right)) else 0


def _read(path: Path) -> Report:
    try:
        return read_report(path)
    except (OSError, ValueError) as error:
        raise Wrong(str(error)) from error
