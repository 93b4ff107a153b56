"""Pauses between trials of who has lost a server. Pure, but for the dice that are passed in."""

from __future__ import annotations

from random import Random

FIRST, LONGEST = 0.1, 10.0  # seconds


class Pauses:
    """Pauses that grow, with a random part: nodes that lost one server do not come back as one."""

    def __init__(self, random: Random, first: float = FIRST, longest: float = LONGEST) -> None:
        self._random, self._first, self._longest = random, first, longest
        self._pause = first

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._pause = self._first

    def next(self) -> float:
        """Return how many seconds to wait now."""
        pause, self._pause = self._pause, min(self._longest, self._pause * 2)
        return pause * self._random.uniform(0.5, 1.5)
