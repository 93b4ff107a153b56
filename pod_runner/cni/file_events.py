"""Wait until a file that is being written is not any more (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

IN_CLOSE_WRITE = 0x8  # sys/inotify.h

_libc = ctypes.CDLL(None, use_errno=True)


def wait_writers_gone(path: Path, seconds: float) -> None:
    """Return when a writer closes the file, when it can be opened as nobody's, or after `seconds`.

    The watch comes first and the look after it, so that no close falls between them.
    """
    watch = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watch < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        _libc.inotify_add_watch(watch, os.fsencode(path), IN_CLOSE_WRITE)
        if _has_writer(path):
            select.select([watch], [], [], seconds)
    finally:
        os.close(watch)


def _has_writer(path: Path) -> bool:
    """Tell whether someone has the file open for writing: then no read lease is given (fcntl(2))."""
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:  # EAGAIN: a writer; or no leases on this file system, then the close is waited for
        return True
    return False
