"""When the loop does what: at once, where nothing was done just before; later, where that saves work."""

from __future__ import annotations

import math

WAIT = 5.0  # seconds; the loop looks around at least so often
TOGETHER = 0.001  # seconds between two transactions: changes that come faster share one
SETTLE = 0.05  # seconds from somebody else's change of our table to the look at all of it
LEAST_BETWEEN = 0.4  # seconds between two such looks
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds from a refused transaction to the next trial


class Schedule:
    """Moments of the monotonic clock, in seconds."""

    def __init__(self, every: float = math.inf) -> None:
        """`every`: seconds between two looks at everything that nobody asked for."""
        self._every = every
        self._compare_at = 0.0
        self._compared_at = -math.inf
        self._rest_until = 0.0
        self._pause = FIRST_PAUSE

    def wait(self, now: float, *, is_dirty: bool) -> float:
        """Return how long to wait for events."""
        due = min(self._compare_at, self._rest_until if is_dirty else math.inf)
        return max(0.0, min(WAIT, due - now))

    def compare(self, at: float) -> None:
        """Have everything compared with the kernel at a moment, or before if it is to be so already."""
        self._compare_at = min(self._compare_at, at)

    def touched_by_others(self, now: float) -> None:
        """Have it compared soon: who changes a table once changes it twice."""
        self.compare(max(now + SETTLE, self._compared_at + LEAST_BETWEEN))

    def is_compare_due(self, now: float) -> bool:
        """Tell whether everything is to be compared now."""
        return self._compare_at <= now

    @property
    def has_failed(self) -> bool:
        """Tell whether the last comparison, too, was refused."""
        return self._pause > FIRST_PAUSE

    def may_change(self, now: float) -> bool:
        """Tell whether a transaction may begin."""
        return self._rest_until <= now

    def changed(self, now: float) -> None:
        """Note a transaction."""
        self._rest_until = now + TOGETHER

    def compared(self, now: float) -> None:
        """Note that everything was compared."""
        self._compared_at, self._pause = now, FIRST_PAUSE
        self._compare_at = now + self._every

    def failed(self, now: float) -> None:
        """Note that it could not be made so: it is tried again, after a pause that grows."""
        self._compare_at = now + self._pause
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
