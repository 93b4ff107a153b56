"""Indexes that stay open between operations: a process that serves many requests opens each once.

SQLite keeps the pages it has read, and looks at the file's change counter before it believes them; the
directory's stamp is compared as ever (store.py). Every operation is written through, so that a SIGKILL
loses no more than it does to a process for one request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from ipam.index import Index

LIMIT = 64  # networks; beyond it the index that was used first is closed


class KeptIndexes:
    """Open indexes by path. Threads may share one: an index is taken out while it is used."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: dict[Path, Index] = {}

    @contextmanager
    def borrow(self, path: Path) -> Iterator[Index]:
        """Hand out the index of a path for one operation; what that did not commit is lost.

        Raises:
            sqlite3.DatabaseError: it cannot be used; it is not kept then.
        """
        index = self._take(path)
        try:
            yield index
        except sqlite3.DatabaseError:
            index.close()
            raise
        except BaseException:
            self._give_back(path, index)
            raise
        self._give_back(path, index)

    def _take(self, path: Path) -> Index:
        """Return the index, opened if it is not, or if its file is another one by now."""
        with self._lock:
            kept = self._idle.pop(path, None)
        if kept is not None and kept.is_current():
            kept.begin()
            return kept
        if kept is not None:
            kept.close()
        return Index(path, stays_open=True)

    def _give_back(self, path: Path, index: Index) -> None:
        index.roll_back()
        with self._lock:
            surplus = [self._idle.pop(next(iter(self._idle)))] if len(self._idle) >= LIMIT else []
            surplus += [self._idle.pop(path)] if path in self._idle else []
            self._idle[path] = index
        for one in surplus:
            one.close()

    def close(self) -> None:
        """Close every index."""
        with self._lock:
            kept, self._idle = list(self._idle.values()), {}
        for one in kept:
            one.close()
