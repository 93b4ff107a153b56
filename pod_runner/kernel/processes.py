"""Processes by pid and start time: a pid alone may be somebody else's by now (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks after boot; None for none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may have spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])


def parent(pid: int) -> int:
    """Return the parent of a process, a zombie's too; 0 for none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def is_alive(pid: int, started: int) -> bool:
    """Tell whether a process runs, and is the one that started then."""
    return start_time(pid) == started


def open_process(pid: int, started: int) -> int | None:
    """Return a descriptor of a process (pidfd_open(2)), None if it has gone. The caller closes it."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # ESRCH
        return None
    if is_alive(pid, started):
        return descriptor
    os.close(descriptor)
    return None
