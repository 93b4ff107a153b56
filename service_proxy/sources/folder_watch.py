"""Which files of a folder are to be read: inotify tells which were written and closed, a re-scan the rest.

A re-scan may meet a file that is being written (NFS tells nothing of other machines): what it finds changed
is due when it is found the same a second time.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from cluster_store.bell import Bell
from cluster_store.file_changes import EventsLost, FileChanges, FolderGone
from service_proxy.sources.documents import SUFFIXES

RESCAN = 5.0  # seconds; how late a change that inotify does not tell of is seen, and as long as AGAIN
AGAIN = 0.5  # seconds; also between all looks where this user has no watch left (max_user_instances)

Stamp = tuple[int, int, int]  # inode, size, nanoseconds of the last change


class FolderWatch:
    """A folder's files whose names end in .yaml, .yml or .json and are not hidden, as editors' own are."""

    def __init__(self, root: Path) -> None:
        """Begin. Raises OSError: there is no such folder."""
        self._root = root
        status = root.stat()
        self._identity = status.st_dev, status.st_ino
        self._changes: FileChanges | None = None
        try:
            self._changes = FileChanges(root)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError:  # no watch to be had: then by re-scan alone
            self._changes = None
        self._read: dict[str, Stamp] = {}
        self._found: dict[str, Stamp] = {}  # by the last re-scan, and not yet read
        self._rescan_at = time.monotonic() + (RESCAN if self._changes else AGAIN)

    def names(self) -> list[str]:
        """Return all there are, sorted."""
        return sorted(self._survey())

    def wait(self, bell: Bell, until: float) -> list[str]:
        """Return the names of files to read or to forget; [] at `until`, or when the bell has rung.

        Raises:
            FolderGone: it was removed, renamed, or another one was mounted over it.
        """
        while not (names := self._due()):
            now = time.monotonic()
            if now >= until or bell.has_rung:
                break
            bell.wait(self._changes.fd if self._changes else -1, min(until, self._rescan_at) - now)
        return names

    def note(self, name: str, status: os.stat_result | None) -> None:
        """Note the state in which a file was read; None: there is none."""
        self._found.pop(name, None)
        if status is None:
            self._read.pop(name, None)
        else:
            self._read[name] = _stamp(status)

    def close(self) -> None:
        """Give the watch back."""
        if self._changes:
            self._changes.close()

    def _due(self) -> list[str]:
        names: list[str] = []
        try:
            names += (name for name in (self._changes.take() if self._changes else ()) if _is_ours(name))
        except EventsLost:
            return self.names() + [name for name in self._read if not (self._root / name).exists()]
        if time.monotonic() >= self._rescan_at:
            names += self._rescanned()
        return names

    def _rescanned(self) -> list[str]:
        status = self._root.stat()
        if (status.st_dev, status.st_ino) != self._identity:
            raise FolderGone
        found = self._survey()
        others = {name for name in {*self._read, *found} if found.get(name) != self._read.get(name)}
        due = [name for name in others if found.get(name) == self._found.get(name)]
        self._found = {name: found[name] for name in others if name in found}
        is_open = bool(self._found.keys() - set(due))
        self._rescan_at = time.monotonic() + (RESCAN if self._changes and not is_open else AGAIN)
        return due

    def _survey(self) -> dict[str, Stamp]:
        found = {}
        with os.scandir(self._root) as entries:
            for entry in entries:
                if _is_ours(entry.name):
                    with suppress(FileNotFoundError):  # gone since, or a link to nowhere
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            found[entry.name] = _stamp(status)
        return found


def _is_ours(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns
