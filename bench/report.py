"""What a bench tells: rows, as a table and as JSON.

Smaller is better in every row. A row over its limit makes the bench fail.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Row:
    """One figure of ours beside the peer's. None where there is no peer, or no limit.

    `limited` says what the limit is for: the `ratio` of ours to the peer's, or `ours` alone, as where a
    figure is a growth already.
    """

    name: str
    unit: str
    ours: float
    peer: float | None = None
    limit: float | None = None
    limited: Literal["ratio", "ours"] = "ratio"

    @property
    def ratio(self) -> float | None:
        """Return how many times the peer's figure ours is."""
        return self.ours / self.peer if self.peer else None

    @property
    def is_over(self) -> bool:
        """Tell whether the limit is passed."""
        figure = self.ours if self.limited == "ours" else self.ratio
        return self.limit is not None and figure is not None and figure > self.limit

    def to_json(self) -> dict[str, object]:
        """Return the row as it is kept."""
        return asdict(self) | {"ratio": self.ratio}


def finish(name: str, rows: Sequence[Row], notes: str) -> int:
    """Write `results/NAME.json`, print the table, and return the exit status."""
    RESULTS.mkdir(exist_ok=True)
    body = {"rows": [row.to_json() for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=4) + "\n", encoding="utf-8")
    print(notes.strip(), end="\n\n")
    for line in format_table(rows):
        print(line)
    return 1 if any(row.is_over for row in rows) else 0


def format_table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of a table, its numbers flush right."""
    headings = ("", "unit", "ours", "peer", "ratio", "limit", "")
    cells = [headings, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(headings))]
    return ["  ".join(_align(cell, widths[i], i) for i, cell in enumerate(line)).rstrip() for line in cells]


def _cells(row: Row) -> tuple[str, ...]:
    limit = "" if row.limit is None else f"{'ours' if row.limited == 'ours' else 'ratio'} <= {row.limit:g}"
    verdict = "" if row.limit is None else "OVER" if row.is_over else "ok"
    return (row.name, row.unit, *(_number(one) for one in (row.ours, row.peer, row.ratio)), limit, verdict)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _align(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column in (2, 3, 4) else cell.ljust(width)
