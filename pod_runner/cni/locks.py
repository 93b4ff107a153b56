"""One operation a container; no ADD or DEL while GC runs (CNI 1.1.0 section 3, Lifecycle & Ordering).

flock(2) on files beside the cache: a runtime that is killed lets go of them. GC's lock is taken before a
container's, always, so that nobody waits in a circle.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class OperationLocks:
    """The locks of everybody who uses one cache directory."""

    def __init__(self, cache_directory: Path) -> None:
        self._directory = cache_directory / "podwire-locks"

    @contextmanager
    def attachment(self, container_id: str) -> Iterator[None]:
        """Hold a container: shared with other containers, alone with itself."""
        name = hashlib.sha256(container_id.encode()).hexdigest()[:32]  # an id may be longer than NAME_MAX
        with self._held("gc", fcntl.LOCK_SH), self._held(name, fcntl.LOCK_EX, is_transient=True):
            yield

    @contextmanager
    def collection(self) -> Iterator[None]:
        """Hold everything: no ADD, DEL or CHECK runs meanwhile."""
        with self._held("gc", fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, name: str, mode: int, *, is_transient: bool = False) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / name
        descriptor = _lock(path, mode)
        try:
            yield
        finally:
            if is_transient:
                path.unlink(missing_ok=True)
            os.close(descriptor)


def _lock(path: Path, mode: int) -> int:
    """Lock the file that bears the name when the lock is ours: its holder before us may have removed it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, mode)
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:  # removed by the holder before us: the next round makes a new one
            pass
        os.close(descriptor)
