"""Tables for people, JSON for programs. Colour only on a terminal, and not where NO_COLOR is set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from cni_spec.json_input import JsonObject

GAP = "   "  # between columns of plain text, as kubectl has it
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


def plain_lines(headings: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as kubectl prints it: lines, their columns aligned, for people and for awk."""
    every = [list(headings), *(list(row) for row in cells)] if headings else [list(row) for row in cells]
    return aligned(every, widths(every))


def widths(cells: Iterable[Sequence[str]]) -> list[int]:
    """Return how wide each column is."""
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def aligned(cells: Iterable[Sequence[str]], wide: Sequence[int]) -> list[str]:
    """Return rows as lines; a cell wider than its column pushes the others."""
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in cells
    ]


def say(line: str) -> None:
    """Print a line for a person on stderr."""
    sys.stderr.write(f"podwire: {line}\n")
