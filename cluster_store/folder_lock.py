"""The lock of a shared folder: flock(2) with a deadline. A killed process lets go of it."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster_store.store import DEADLINE, StoreUnavailable


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this file alone, against other processes and other threads.

    Raises:
        StoreUnavailable: somebody holds it for longer than `DEADLINE`.
    """
    fd = _open_locked(path)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # not by closing alone: a forked child may have the descriptor
        os.close(fd)


def _open_locked(path: Path) -> int:
    """Lock the file that bears the name when the lock is ours: the folder may have been made anew."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take(fd, path)
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:  # removed meanwhile: the next round makes it, or finds no folder
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _take(fd: int, path: Path) -> None:
    """Lock an open file, or give up in time.

    A blocking flock queues behind the other waiters, which polling would not, but has no deadline. So a
    thread waits in our place on a duplicate of the descriptor; too late, it lets go at once.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:  # somebody holds it
        pass
    taken = threading.Event()
    threading.Thread(target=_wait, args=(os.dup(fd), taken), name="folder-lock", daemon=True).start()
    if not taken.wait(DEADLINE):
        raise StoreUnavailable(f"{path} has been locked by another process for more than {DEADLINE:g} s")


def _wait(fd: int, taken: threading.Event) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        taken.set()
    finally:
        os.close(fd)
