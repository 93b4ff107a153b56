"""Bytes carried between descriptors until a program has ended; who does not read holds up nobody else."""

from __future__ import annotations

import contextlib
import errno
import os
import select
from collections.abc import Callable
from dataclasses import dataclass, field

from pod_runner.supervisor.client import Running
from podwire.cluster.terminal import DetachKeys

READ_AT_ONCE = 1 << 16
DETACHED = 0  # the exit status of who let go


@dataclass
class Way:
    """From one descriptor to another. `end` is called after the last byte; `keys` let go of a terminal."""

    source: int
    target: int
    end: Callable[[], object] | None = None
    keys: DetachKeys | None = None
    waiting: bytearray = field(default_factory=bytearray)
    is_at_end: bool = False

    @property
    def is_over(self) -> bool:
        """Tell whether nothing will come any more."""
        return self.is_at_end and not self.waiting

    def read(self) -> bool:
        """Take what is there; False: the person has let go."""
        data = _read(self.source)
        struck = False
        if self.keys is not None and data:
            data, struck = self.keys.take(data)
        elif not data:
            self.is_at_end = True
        self.waiting += data
        return not struck

    def write(self) -> None:
        """Hand on as much as the target takes."""
        try:
            del self.waiting[: os.write(self.target, self.waiting)]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO) or self.target == 1:
                raise
            self.waiting.clear()  # nobody reads it any more
            self.is_at_end = True


class Pump:
    """Carries bytes while a program runs. `resized` is readable when our terminal's size has changed."""

    def __init__(
        self, running: Running, ways: list[Way], resized: int = -1, resize: Callable[[], object] | None = None
    ) -> None:
        self._running, self._ways = running, ways
        self._resized, self._resize = resized, resize

    def run(self) -> int:
        """Carry until the program has ended, and then what it said last; return its exit code."""
        awaited = [self._running.fileno(), *([self._resized] if self._resized >= 0 else [])]
        while True:
            readable, writable, _ = self._select(awaited, None)
            if self._resized in readable and self._resize:
                os.read(self._resized, READ_AT_ONCE)
                self._resize()
            if not self._carry(readable, writable):
                return DETACHED
            if self._running.fileno() in readable:
                self._drain()
                return self._running.wait()

    def _select(self, awaited: list[int], seconds: float | None) -> tuple[list[int], list[int], list[int]]:
        reading = [way.source for way in self._ways if not way.waiting and not way.is_at_end]
        writing = [way.target for way in self._ways if way.waiting]
        return select.select([*awaited, *reading], writing, [], seconds)

    def _carry(self, readable: list[int], writable: list[int]) -> bool:
        for way in list(self._ways):
            if way.source in readable and not way.waiting and not way.read():
                return False
            if way.waiting and (way.target in writable or way.source in readable):
                way.write()
            if way.is_over:
                self._ways.remove(way)
                if way.end:
                    way.end()
        return True

    def _drain(self) -> None:
        """Carry what the program said last; what it has left running may go on, and is not waited for."""
        self._ways = [way for way in self._ways if way.source != 0]
        while True:
            readable, writable, _ = self._select([], 0)
            if not readable and not any(way.waiting for way in self._ways):
                return
            self._carry(readable, writable or [way.target for way in self._ways if way.waiting])


def _read(descriptor: int) -> bytes:
    """Return what is there; b"" at the end, which a terminal that nobody has open calls EIO."""
    with contextlib.suppress(BlockingIOError):
        try:
            return os.read(descriptor, READ_AT_ONCE)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
    return b""
