"""Follow a prefix of a directory store: inotify says where to look, a bounded re-scan finds what it did not.

A folder has no history: of several changes of one key between two looks the last is told. What is told is in
the order in which the kernel reported it, which is that of the commits; after a re-scan by version, what has
gone first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cluster_store.bell import Bell
from cluster_store.file_changes import EventsLost, FileChanges, FolderGone
from cluster_store.folder import Folder
from cluster_store.folder_leases import FolderLeases
from cluster_store.key_names import key_of
from cluster_store.store import Event, Snapshot, StoreUnavailable
from cluster_store.value_file import Unreadable

RESCAN = 5.0  # seconds; on NFS, where inotify tells nothing of other machines, how late a change is seen
BLIND_RESCAN = 0.5  # where this user has no inotify watch left (fs.inotify.max_user_instances)
LEASES_EVERY = 1.0  # seconds; the shortest lease


class DirectoryFollower:
    """A `store.Follower` of files."""

    def __init__(self, root: Path, prefix: str, known: Snapshot | None) -> None:
        self._root = root
        self._prefix = prefix
        self._known = known
        self._folder = Folder(root)
        self._leases = FolderLeases(self._folder)
        self._bell = Bell()
        self._busy = threading.Lock()
        self._changes: FileChanges | None = None
        self._identity = (0, 0)  # of the folder that is watched
        self._has_begun = False
        self._revision = 0
        self._versions: dict[str, int] = {}
        self._pending: dict[str, None] = {}  # keys to look at, in order
        self._rescan_at = 0.0
        self._look_at = 0.0

    def next(self, timeout: float) -> Snapshot | Sequence[Event]:
        """Wait up to `timeout` seconds for a snapshot or for changes."""
        with self._busy:
            if self._bell.has_rung:
                raise StoreUnavailable(f"the follower of {self._prefix!r} is closed")
            try:
                return self._begin() or self._wait(time.monotonic() + timeout)
            except FolderGone as error:
                self._restart()
                raise StoreUnavailable(f"{self._root} is gone, or another folder than it was") from error

    def close(self) -> None:
        """End a wait, and give the watch back."""
        self._bell.ring()
        with self._busy:
            self._restart()
            self._bell.close()

    def _restart(self) -> None:
        if self._changes:
            self._changes.close()
        self._changes, self._known, self._has_begun = None, None, False

    def _begin(self) -> Snapshot | None:
        """Watch first, look then; None if one can go on from what is known."""
        if self._has_begun:
            return None
        if self._changes is None:
            self._changes = self._watch()
        self._pending.clear()
        with self._folder.held():
            self._leases.end_overdue()
            known = self._known
            if known and known.revision <= self._folder.revision:  # else the folder is another one
                told, self._rescan_at = known, 0.0
            else:
                told, known = self._folder.snapshot(self._prefix), None
                self._rescan_at = time.monotonic() + self._rescan_pause()
        self._revision = told.revision
        self._versions = {item.key: item.version for item in told.items}
        self._has_begun = True
        return None if known else told

    def _watch(self) -> FileChanges | None:
        try:
            self._identity = _identity(self._root)
            return FileChanges(self._root)
        except FileNotFoundError as error:
            raise StoreUnavailable(f"{self._root} is not there") from error
        except OSError:  # no watch to be had: then by re-scan alone
            return None

    def _wait(self, until: float) -> Sequence[Event]:
        while True:
            if events := self._look():
                return events
            now = time.monotonic()
            if now >= until or self._bell.has_rung:
                return ()
            watch = self._changes.fd if self._changes else -1
            self._bell.wait(watch, min(until, self._look_at, self._rescan_at) - now)

    def _look(self) -> list[Event]:
        """Return what has changed; all changes of one commit together."""
        with self._folder.held():
            if self._folder.revision < self._revision:
                raise FolderGone  # begun anew
            self._end_leases()
            is_rescan = self._gather()
            events = [event for key in self._pending if (event := self._event(key))]
            self._pending.clear()
            self._revision = self._folder.revision
        if is_rescan:
            events.sort(key=lambda event: event.item.version if event.item else 0)
        return events

    def _end_leases(self) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + min(max(self._leases.end_overdue(), 0.01), LEASES_EVERY)

    def _gather(self) -> bool:
        """Note the keys to look at; tell if all were compared."""
        is_rescan = time.monotonic() >= self._rescan_at
        try:
            for name in self._changes.take() if self._changes else ():
                key = key_of(name)
                if key and key.startswith(self._prefix):
                    self._pending[key] = None
        except EventsLost:
            is_rescan = True
        if is_rescan:
            if _identity(self._root) != self._identity:
                raise FolderGone  # a disk was mounted over it
            self._rescan_at = time.monotonic() + self._rescan_pause()
            self._pending |= dict.fromkeys(self._folder.changed(self._prefix, self._versions))
        return is_rescan

    def _rescan_pause(self) -> float:
        return RESCAN if self._changes else BLIND_RESCAN

    def _event(self, key: str) -> Event | None:
        try:
            item = self._folder.find(key)
        except Unreadable:  # counts as none
            item = None
        before = self._versions.pop(key, 0)
        if item:
            self._versions[key] = item.version
        after = item.version if item else 0
        return Event(key, item) if after != before else None


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
