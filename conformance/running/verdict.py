"""What came of one clause on one plugin."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The four ends of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    NOT_JUDGED = (
        "not judged"  # the judge could not look: a kernel feature or a program is missing, or it broke itself
    )


@dataclass(frozen=True)
class Verdict:
    """One cell of the table.

    `reason` is one sentence, "" where it passed; `steps` are pairs (what was done, what was seen).
    """

    plugin: str
    clause: str
    outcome: Outcome
    reason: str
    steps: tuple[tuple[str, str], ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it for a report."""
        return asdict(self)


def read_verdict(body: dict[str, Any]) -> Verdict:
    """Return what `as_json` wrote."""
    steps = tuple((what, seen) for what, seen in body["steps"])
    return Verdict(**(body | {"outcome": Outcome(body["outcome"]), "steps": steps}))
