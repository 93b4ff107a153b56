"""Which files of a folder have changed (inotify(7)).

Tells of files that were written and closed, moved in, moved out or removed; not of a write that goes on.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

# sys/inotify.h
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
IN_ONLYDIR = 0x1000000
WATCHED = (
    IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
)
GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED
_HEAD = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows


class FolderGone(Exception):
    """The folder that was watched has been removed, renamed or unmounted."""


class EventsLost(Exception):
    """More has changed than the kernel would keep: look at everything."""


class FileChanges:
    """A watch of one folder. `fd` can be read when there is something to `take`; `mask` says of what."""

    def __init__(self, folder: Path, mask: int = WATCHED) -> None:
        """Begin. Raises OSError: no such folder, or no more watches for this user (EMFILE, ENOSPC)."""
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if libc.inotify_add_watch(self.fd, os.fsencode(folder), mask) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number), str(folder))

    def take(self) -> list[str]:
        """Return the names that changed since, each where it changed last. Raises FolderGone, EventsLost."""
        names: dict[str, None] = {}
        while chunk := self._read():
            for mask, name in _events(chunk):
                if mask & GONE:
                    raise FolderGone
                if mask & IN_Q_OVERFLOW:
                    raise EventsLost
                names.pop(name, None)
                names[name] = None
        return list(names)

    def _read(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:  # that was all
            return b""

    def close(self) -> None:
        """End the watch."""
        os.close(self.fd)


def _events(chunk: bytes) -> list[tuple[int, str]]:
    found, at = [], 0
    while at < len(chunk):
        _, mask, _, length = _HEAD.unpack_from(chunk, at)
        at += _HEAD.size
        found.append((mask, os.fsdecode(chunk[at : at + length].rstrip(b"\0"))))
        at += length
    return found
