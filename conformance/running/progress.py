"""What is told on stderr while a run goes on."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from typing import TextIO

from conformance.running.verdict import Outcome, Verdict

BETWEEN = 0.05  # seconds between two rewritings of the line
SELDOM = 30  # seconds between two lines where there is no terminal


class Progress:
    """One line that is rewritten on a terminal; elsewhere a line at times, one per plugin that is done."""

    def __init__(self, expected: Counter[str], stream: TextIO = sys.stderr) -> None:
        """Expect so many verdicts of each plugin."""
        self._left, self._all = Counter(expected), sum(expected.values())
        self._stream, self._is_terminal = stream, stream.isatty()
        self._counts: dict[str, Counter[Outcome]] = {name: Counter() for name in expected}
        self._begun = time.monotonic()
        self._written = 0.0 if self._is_terminal else self._begun

    def __call__(self, verdict: Verdict) -> None:
        """Hear of one more verdict."""
        self._counts[verdict.plugin][verdict.outcome] += 1
        self._left[verdict.plugin] -= 1
        if self._is_terminal:
            self._rewrite(verdict)
        elif not self._left[verdict.plugin]:
            self._say(f"{verdict.plugin}: {counted(self._counts[verdict.plugin])}")
        elif (now := time.monotonic()) - self._written >= SELDOM:
            self._written = now
            self._say(self._so_far(now))

    def close(self) -> None:
        """Leave an empty line behind."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _rewrite(self, verdict: Verdict) -> None:
        now = time.monotonic()
        left = sum(self._left.values())
        if left and now - self._written < BETWEEN:
            return
        self._written = now
        text = f"{self._so_far(now)}  {verdict.plugin} {verdict.clause}"
        width = shutil.get_terminal_size().columns
        self._stream.write(f"\r\x1b[K{text[: width - 1]}")
        self._stream.flush()

    def _so_far(self, now: float) -> str:
        done = self._all - sum(self._left.values())
        failed = sum(one[Outcome.FAILED] for one in self._counts.values())
        return f"{done}/{self._all}  {failed} failed  {now - self._begun:.0f} s"

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def counted(outcomes: Counter[Outcome]) -> str:
    """Return "52 passed, 2 failed, 3 not applicable"; what there is none of is left out."""
    return ", ".join(f"{outcomes[one]} {one}" for one in Outcome if outcomes[one]) or "nothing judged"
