"""Who supervises a pod: whoever holds `lock` in its folder (flock(2)); a killed one lets go of it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from pod_runner.supervisor.order import LOCK

LOOKS = 5  # times; who only looks (`is_held`) has the lock for microseconds, a supervisor for its life
PAUSE = 0.01  # seconds between them


def take(folder: str | Path) -> int | None:
    """Take the lock and return its descriptor, to be held for a lifetime; None if another has it."""
    descriptor = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:  # a supervisor, or somebody who looks
            time.sleep(PAUSE)  # flock(2) has no deadline, and a living supervisor would be waited for
    os.close(descriptor)
    return None


def free(descriptor: int) -> None:
    """Let go of the lock for all processes that have inherited it."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(folder: Path) -> bool:
    """Tell whether a living supervisor holds a folder's lock."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # no supervisor was ever there, or the folder has gone
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
