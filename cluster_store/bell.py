"""A bell that one thread rings to end another's wait (eventfd(2))."""

from __future__ import annotations

import os
import select
import threading


class Bell:
    """Rings once and for all. Waited for together with a file descriptor that may become readable."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # no write into a descriptor that was closed and is another's now
        self.has_rung = False

    def ring(self) -> None:
        """End every wait, now and later."""
        with self._lock:
            self.has_rung = True
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def wait(self, fd: int, seconds: float) -> bool:
        """Wait until `fd` (-1: none) can be read, at most `seconds`, not once it has rung; tell if it can."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if fd >= 0:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(max(0.0, seconds) * 1000)
        return any(number == fd for number, _ in ready)

    def close(self) -> None:
        """Give the descriptor back; the waiting thread does it, when it is done."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1
