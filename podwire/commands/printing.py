"""Tables for people, JSON for programs. Colour only on a terminal, and not where NO_COLOR is set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from cni_spec.json_input import JsonObject

WIDE = 10_000  # columns; a table that goes into a file or a pipe is not folded


class Output(StrEnum):
    """What a command prints."""

    TABLE = "table"
    JSON = "json"


def print_json(body: JsonObject | Sequence[object]) -> None:
    """Print JSON on stdout, indented."""
    sys.stdout.write(json.dumps(body, indent=4) + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings on stdout; nothing at all if there are no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count:
        is_terminal = sys.stdout.isatty()
        console = Console(file=sys.stdout, width=None if is_terminal else WIDE, highlight=False)
        console.print(table)


def say(line: str) -> None:
    """Print a line for a person on stderr."""
    sys.stderr.write(f"podwire: {line}\n")
