"""A folder of YAML and JSON files: the embedded default. A person writes there with any tool, at any time.

A file that cannot be read to its end says what it said before, and is a condition; so is a single object in
it, and one that an earlier file names already.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from cluster_store.bell import Bell
from cluster_store.file_changes import FolderGone
from cluster_store.store import StoreUnavailable
from service_proxy.catalogue import Changed, Event
from service_proxy.sources.claims import Claims, believed
from service_proxy.sources.documents import objects_in
from service_proxy.sources.folder_watch import FolderWatch
from service_proxy.sources.identity import shown
from service_proxy.sources.refusals import SHOWN, Condition, Refusals
from service_proxy.sources.yaml_text import BadDocument

FILE_LIMIT = 256 << 20  # bytes; 10,000 services with 100,000 endpoints are 22 MB of JSON
GRACE = 1.0  # seconds that a file which is half written when we begin has to become whole


class DirectoryFeed:
    """A `Feed` of a folder; all kinds, in one."""

    def __init__(self, root: Path) -> None:
        """Follow a folder, made if it is missing and can be made."""
        self._root = root.absolute()
        self._claims = Claims()
        self._bad_files, self._bad_objects = Refusals("BadFile"), Refusals("BadObject")
        self._broken: set[str] = set()  # files
        self._bell, self._busy = Bell(), Lock()
        self._watch: FolderWatch | None = None

    @property
    def name(self) -> str:
        """Return what it is."""
        return f"folder {self._root}"

    def next(self, timeout: float) -> Sequence[Event]:
        """Wait for files that change; the first time, return all there is. Raises StoreUnavailable."""
        until = time.monotonic() + timeout
        with self._busy:
            if self._bell.has_rung:
                return []
            try:
                if self._watch is None:
                    return self._begin()
                return self._read(self._watch, self._watch.wait(self._bell, until))
            except FolderGone as error:
                self._leave()
                raise StoreUnavailable(f"{self._root} is gone, or another folder than it was") from error
            except OSError as error:
                self._leave()
                raise StoreUnavailable(f"{error.filename or self._root}: {error.strerror}") from error

    def conditions(self) -> tuple[Condition, ...]:
        """Return the files and objects that cannot be used."""
        doubles = [
            Condition(
                "NamedTwice", shown(*one), f"{shown(*one)} is in {' and '.join(files)}; the first counts"
            )
            for one, files in self._claims.doubles()[:SHOWN]
        ]
        return (*self._bad_files.conditions(), *self._bad_objects.conditions(), *doubles)

    def close(self) -> None:
        """End a wait, and give the watch back."""
        self._bell.ring()
        with self._busy:
            self._leave()
            self._bell.close()

    def _leave(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = None

    def _begin(self) -> Sequence[Event]:
        """Watch first, look then; what was known and is not there any more has gone."""
        with suppress(OSError):  # a file in the way, a read-only disk: the next line tells
            self._root.mkdir(parents=True, exist_ok=True)
        watch = self._watch = FolderWatch(self._root)
        self._read(watch, sorted({*watch.names(), *self._claims.files}))
        until = time.monotonic() + GRACE
        while self._broken and (names := watch.wait(self._bell, until)):
            self._read(watch, names)
        return self._claims.listed()

    def _read(self, watch: FolderWatch, names: Sequence[str]) -> list[Changed]:
        """Take in what these files say now."""
        changes: list[Changed] = []
        for name in names:
            try:
                items = objects_in(self._text(watch, name))
                found, troubles = believed(name, items, self._claims.said_by(name))
            except FileNotFoundError:
                watch.note(name, None)
                found, troubles = {}, {}
            except (OSError, BadDocument) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                self._bad_files.tell(name, f"{self._root / name}: {reason}; what it said before stays")
                self._broken.add(name)
                continue
            self._broken.discard(name)
            self._bad_files.tell(name, "")
            self._bad_objects.replace(name, troubles)
            changes += self._claims.replace(name, found)
        return changes

    def _text(self, watch: FolderWatch, name: str) -> bytes:
        """Return a file's text; a pipe or a folder with such a name counts as none, and is not waited for."""
        path = self._root / name
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(path)
            watch.note(name, status)
            if status.st_size > FILE_LIMIT:
                raise BadDocument(f"it has more than {FILE_LIMIT >> 20} MiB")
            return file.read()
