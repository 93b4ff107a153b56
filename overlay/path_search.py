"""How large a packet gets through to one node: asked by size, without any ICMP (RFC 4821's idea). Pure.

A question of the full size is asked now and then. If it stays unanswered while a small one is answered, the
largest size that works is searched by halving; a question is lost by chance, too, so each is put twice.
"""

from __future__ import annotations

from dataclasses import dataclass

TRIES = 2  # of one size before it counts as too large
TIMEOUT = 0.25  # seconds for an answer


@dataclass
class PathSearch:
    """The state of one path. `full` and `least` in bytes of the inner packet; `mtu` 0: the full size fits.

    `size` is what to ask next, None when nothing is to be asked.
    """

    full: int
    least: int
    mtu: int = 0
    size: int | None = None
    _low: int = 0
    _high: int = 0
    _failed: int = 0

    @property
    def is_searching(self) -> bool:
        """Tell whether a question is open."""
        return self.size is not None

    def begin(self) -> int:
        """Ask the full size, or what worked last and then more; return the size to ask."""
        self._failed = 0
        self._low, self._high = 0, self.full
        self.size = self.full
        return self.size

    def resize(self, full: int) -> None:
        """Take another full size: the tunnel's MTU has changed."""
        if full != self.full:
            self.full, self.mtu, self.size = full, 0, None

    def answered(self, size: int) -> bool:
        """Note that a size got through; return whether the path's MTU has changed."""
        if self.size is None or size != self.size:
            return False
        self._failed = 0
        if size == self.full:
            return self._end(0)
        self._low = size
        return self._step()

    def unanswered(self, *, small_works: bool) -> bool:
        """Note that the question in flight got no answer; return whether the path's MTU has changed.

        Where small questions get none either the node may be down: then nothing is concluded.
        """
        if self.size is None:
            return False
        self._failed += 1
        if self._failed < TRIES:
            return False
        if not small_works:
            self.size = None
            return False
        self._failed = 0
        self._high = self.size - 1
        if not self._low:
            self._low = min(self.least, self.full)
            if self.least < self.mtu <= self._high:  # what worked last time is a good guess
                self.size = self.mtu
                return False
        return self._step()

    def _step(self) -> bool:
        if self._low >= self._high:
            return self._end(self._low)
        self.size = (self._low + self._high + 1) // 2
        return False

    def _end(self, mtu: int) -> bool:
        has_changed, self.mtu, self.size = mtu != self.mtu, mtu, None
        return has_changed
