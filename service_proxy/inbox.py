"""What other threads tell the loop: events of the source, and when they came."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from service_proxy.catalogue import Event


class Letter(NamedTuple):
    """One event, and when it came (seconds of the monotonic clock)."""

    event: Event
    came: float


class Inbox:
    """Letters from other threads, and a descriptor that can be waited on."""

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._bell

    def put(self, event: Event) -> None:
        """Leave an event."""
        self._letters.append(Letter(event, time.monotonic()))
        self.wake()

    def wake(self) -> None:
        """Only wake the reader."""
        if not self._is_closed:
            with suppress(OSError):  # closed in this moment: nobody reads any more
                os.eventfd_write(self._bell, 1)

    def take(self) -> list[Letter]:
        """Return what there is; does not wait."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        found = []
        while self._letters:
            found.append(self._letters.popleft())
        return found

    def close(self) -> None:
        """Close the descriptor."""
        self._is_closed = True
        os.close(self._bell)
