"""A container's log, in the format of the CRI: `2026-01-01T00:00:00.000000000Z stdout F text`.

`F` ends a line, `P` says that the next entry of the stream goes on with it (kubernetes/cri-api: logging
format). What was read is written at once, so nothing is lost with a killed supervisor. A file that is full
is renamed (`0.log.1` is the youngest old one). Where nothing can be written, lines are dropped and counted:
a full disk is no reason for a container to stand still.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from pod_runner.supervisor.order import NodePlaces

SIZE_LIMIT = 10 << 20  # bytes; kubelet's containerLogMaxSize
FILES_LIMIT = 5  # kubelet's containerLogMaxFiles
STDOUT, STDERR = "stdout", "stderr"


def log_folder(node: NodePlaces, namespace: str, name: str, uid: str) -> Path:
    """Return the folder of a pod's logs; each container has a folder below."""
    return Path(node.logs, f"{namespace}_{name}_{uid}")


def log_file(folder: Path, container: str, attempt: int) -> Path:
    """Return the file of a container's run; `attempt` counts from 0."""
    return folder / container / f"{attempt}.log"


class LogFile:
    """One run's log. `dropped` counts the lines that could not be written."""

    def __init__(self, path: Path, *, size_limit: int = SIZE_LIMIT, files_limit: int = FILES_LIMIT) -> None:
        self.path = path
        self.dropped = 0
        self.trouble = ""
        self._size_limit, self._files_limit = size_limit, files_limit
        self._descriptor, self._size = -1, 0
        self._unreported = 0

    def write(self, stream: str, data: bytes, now: float) -> None:
        """Write what a container said at a time (seconds since 1970)."""
        entries = format_entries(stream, data, now)
        try:
            self._open()
            if self._unreported:
                said = b"podwire: %d lines before were dropped: %s\n"
                self._append(format_entries(STDERR, said % (self._unreported, self.trouble.encode()), now))
                self._unreported = 0
            self._append(entries)
        except OSError as error:  # full, or gone: whoever logs goes on
            self.trouble = error.strerror or str(error)
            lines = max(1, data.count(b"\n"))
            self.dropped += lines
            self._unreported += lines

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        if self._descriptor >= 0 and self._size < self._size_limit:
            return
        if self._descriptor >= 0:
            self._rotate()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        """Rename `0.log.3` to `0.log.4` and so on; the oldest is replaced."""
        self.close()
        for number in range(self._files_limit - 1, 0, -1):
            younger = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if younger.exists():
                younger.rename(self.path.with_name(f"{self.path.name}.{number}"))

    def _append(self, entries: bytes) -> None:
        """Write all of it or nothing: half an entry would spoil the next one."""
        try:
            written = os.write(self._descriptor, entries)
            if written < len(entries):  # the disk became full in the middle
                written += os.write(self._descriptor, entries[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written


def format_entries(stream: str, data: bytes, now: float) -> bytes:
    """Return the entries for what was read at once from one stream."""
    head = f"{_timestamp(now)} {stream} ".encode()
    lines = data.split(b"\n")
    rest = lines.pop()
    whole = b"".join([head + b"F " + line + b"\n" for line in lines])
    return whole + (head + b"P " + rest + b"\n" if rest else b"")


def _timestamp(now: float) -> str:
    """Return RFC 3339 with nanoseconds, in UTC."""
    seconds, nanoseconds = divmod(round(now * 1e9), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


def clock() -> float:
    """Return the time as logs and statuses have it, in seconds since 1970."""
    return time.time()
