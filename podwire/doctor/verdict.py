"""Verdict: one thing that was looked at, what hangs on it, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing is, from good to bad.

    FINE: as it should be. UNSEEN: it could not be looked at. LACKING: a part of podwire does not work
    without. RISKY: it works, until a load, a restart or a reboot. BROKEN: the host as it is now stops pods'
    packets. MISSING: podwire does not work without.
    """

    FINE = "fine"
    UNSEEN = "unseen"
    LACKING = "lacking"
    RISKY = "risky"
    BROKEN = "broken"
    MISSING = "missing"


@dataclass(frozen=True)
class Verdict:
    """One thing: its name, its state, what was found, what that breaks (or would), and what mends it."""

    name: str
    state: State
    found: str
    breaks: str
    advice: str = ""


def judge(name: str, problem: str | None, breaks: str, advice: str, *, found: str, vital: bool) -> Verdict:
    """Make a verdict; `problem` is why it is not there, None if it is."""
    if problem is None:
        return Verdict(name, State.FINE, found, breaks)
    return Verdict(name, State.MISSING if vital else State.LACKING, problem, breaks, advice)


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """Return 1 if podwire cannot work, 3 if something stops pods' packets, 0 otherwise (2 is wrong usage)."""
    states = {verdict.state for verdict in verdicts}
    if State.MISSING in states:
        return 1
    return 3 if State.BROKEN in states else 0
