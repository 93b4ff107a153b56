"""What a process keeps between requests. One request alone gets a fresh one, and the code is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Semaphore

from ipam.kept import KeptIndexes
from linuxnet.memory import HostMemory

WAITERS = 4  # half of the agent's threads by default: the others go on with what need not wait


@dataclass
class Memory:
    """Everything in it can be read back: open sockets, open indexes, what was read at some generation."""

    host: HostMemory = field(default_factory=HostMemory)
    indexes: KeptIndexes = field(default_factory=KeptIndexes)
    _waiters: Semaphore = field(default_factory=lambda: Semaphore(WAITERS))

    @contextmanager
    def waiting(self) -> Iterator[bool]:
        """Enter a wait for something that may not come; False where too many requests wait already."""
        may_wait = self._waiters.acquire(blocking=False)
        try:
            yield may_wait
        finally:
            if may_wait:
                self._waiters.release()

    def close(self) -> None:
        """Close everything."""
        self.host.close()
        self.indexes.close()
