"""The table in docs/ lists what the cases show, no more and no less."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from tests.services.behaviours import MARK
from tests.services.table import DOCUMENT


def behaviours() -> set[str]:
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = importlib.import_module(f"tests.services.{path.stem}")
        for _, case in inspect.getmembers(module, inspect.isfunction):
            if any(mark.name == MARK for mark in getattr(case, "pytestmark", ())):
                found.add(" ".join((case.__doc__ or "").split()))
    return found


def test_the_table_lists_every_behaviour() -> None:
    """A case that is added, reworded or removed changes the table: run `python -m tests.services.table`."""
    rows = [line.split(" | ")[0][2:] for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    listed = {row.replace("\\|", "|") for row in rows if row not in ("What happens", "---")}
    assert listed == behaviours()
