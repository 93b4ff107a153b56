"""What wakes a loop that waits for descriptors: another thread, or a signal handler."""

from __future__ import annotations

import os
from contextlib import suppress


class Bell:
    """A descriptor that becomes readable when somebody rings. No lock: a signal's handler may ring."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def ring(self) -> None:
        """Wake whoever waits; nobody any more is fine."""
        with suppress(OSError):  # closed
            os.eventfd_write(self._descriptor, 1)

    def hush(self) -> None:
        """Have been woken."""
        with suppress(BlockingIOError):  # nobody has rung
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
