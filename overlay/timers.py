"""Named moments: what the loop has to do when. Each has one time at most."""

from __future__ import annotations

import math


class Timers:
    """Moments of one clock, by name."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def set(self, name: str, at: float) -> None:
        """Have something done at a moment, or before if it is to be so already."""
        self._at[name] = min(at, self._at.get(name, math.inf))

    def put_off(self, name: str, at: float) -> None:
        """Have something done at a moment, and not before."""
        self._at[name] = at

    def set_if_unset(self, name: str, at: float) -> None:
        """Have something done at a moment, unless it has one."""
        self._at.setdefault(name, at)

    def is_due(self, name: str, now: float) -> bool:
        """Tell whether something is to be done now; then it has been told."""
        if self._at.get(name, math.inf) > now:
            return False
        del self._at[name]
        return True

    def next(self) -> float:
        """Return the first moment, infinity if there is none."""
        return min(list(self._at.values()), default=math.inf)
