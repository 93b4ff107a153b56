"""Verdict: one thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """MISSING: podwire does not work without; LACKING: a part of it does not; FINE: it is there."""

    FINE = "fine"
    LACKING = "lacking"
    MISSING = "missing"


@dataclass(frozen=True)
class Verdict:
    """One thing: its name, its state, what was found, what needs it, and what to do if it is not there."""

    name: str
    state: State
    found: str
    needed_by: str
    advice: str = ""


def judge(name: str, problem: str | None, needed_by: str, advice: str, *, found: str, vital: bool) -> Verdict:
    """Make a verdict; `problem` is why it is not there, None if it is."""
    if problem is None:
        return Verdict(name, State.FINE, found, needed_by)
    return Verdict(name, State.MISSING if vital else State.LACKING, problem, needed_by, advice)
