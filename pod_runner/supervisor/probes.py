"""When a probe is due, and what its results mean: as kubelet's prober decides it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a probe's result is about."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


class Verdict(Enum):
    """What so many results in a row have come to."""

    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class Timing:
    """When to ask, and how often before an answer counts. Seconds, and numbers of results in a row."""

    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3


@dataclass(frozen=True)
class Tally:
    """The results of a probe in one run of a container."""

    verdict: Verdict = Verdict.UNKNOWN
    in_a_row: int = 0
    was_good: bool = False
    message: str = ""

    def add(self, is_good: bool, message: str, timing: Timing) -> Tally:
        """Return the tally with one more result; the verdict moves when the threshold is reached."""
        count = self.in_a_row + 1 if is_good == self.was_good and self.in_a_row else 1
        threshold = timing.successes if is_good else timing.failures
        reached = Verdict.SUCCESS if is_good else Verdict.FAILURE
        verdict = reached if count >= threshold else self.verdict
        return Tally(verdict, count, is_good, message)


def first_delay(timing: Timing, ran: float) -> float:
    """Return the seconds until the first question to a container that has run for `ran` seconds."""
    return max(0.0, timing.initial_delay - ran)
