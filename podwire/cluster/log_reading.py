"""A container's log read, and followed: over rotation, until its run has ended."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from cluster_store.file_changes import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_MOVED_TO,
    EventsLost,
    FileChanges,
    FolderGone,
)
from pod_runner.cluster.bodies import JsonObject, member, number
from pod_runner.supervisor import client
from pod_runner.supervisor.logs import FILES_LIMIT
from podwire.cluster.log_lines import Entry, Wanted, Writer, last_lines, parse_entry
from podwire.cluster.sought import status_in

IN_MODIFY = 0x2  # sys/inotify.h
MASK = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE
READ_AT_ONCE = 1 << 18
Out = Callable[[bytes], object]


def print_log(path: Path, wanted: Wanted, out: Out) -> None:
    """Print a log as it is. Raises FileNotFoundError."""
    with _Tail(path) as tail:
        older = _older_entries(path)
        out(Writer(wanted).printed(last_lines([*older, *tail.entries()], wanted)))


def follow_log(path: Path, wanted: Wanted, out: Out, ended: RunEnd) -> None:
    """Print a log, and what is added to it until its run has ended; it need not be there yet."""
    writer = Writer(wanted)
    if not _await_file(path, ended):
        return
    with ExitStack() as stack:
        changes = FileChanges(path.parent, MASK)
        stack.callback(changes.close)
        tail = stack.enter_context(_Tail(path))
        out(writer.printed(last_lines([*_older_entries(path), *tail.entries()], wanted)))
        while True:
            is_over = _await_change(changes, ended)
            out(writer.printed(entry for entry in tail.entries() if wanted.takes(entry)))
            if is_over or not path.parent.exists():
                return


def _await_file(path: Path, ended: RunEnd) -> bool:
    """Wait until there is a file; False: there is none, and its run has ended."""
    is_over = False
    while not path.exists() and not is_over:
        nearest = next(one for one in path.parents if one.is_dir())
        with suppress(FileNotFoundError), ExitStack() as stack:  # it has gone meanwhile: the one above it
            changes = FileChanges(nearest, MASK)
            stack.callback(changes.close)
            if not path.exists() and next(one for one in path.parents if one.is_dir()) == nearest:
                is_over = _await_change(changes, ended)
    return path.exists()


def _await_change(changes: FileChanges, ended: RunEnd) -> bool:
    """Wait until a folder has changed, or a run has ended; tell whether it has."""
    ready, _, _ = select.select([changes.fd, ended.fileno()], [], [])
    with suppress(EventsLost, FolderGone):  # what is there is read all the same
        changes.take()
    return ended.fileno() in ready


class RunEnd:
    """Becomes readable when a container's run has ended, or its supervisor: nothing more will be logged."""

    def __init__(self, socket: Path, container: str, attempt: int) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        watch = threading.Thread(target=self._watch, args=(socket, container, attempt), daemon=True)
        watch.start()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._reading

    def _watch(self, socket: Path, container: str, attempt: int) -> None:
        with suppress(client.ControlError, OSError):  # there is none: nothing more will be logged
            for status in client.watch(socket):
                if has_ended(status, container, attempt):
                    break
        os.close(self._writing)


def has_ended(status: JsonObject, container: str, attempt: int) -> bool:
    """Tell whether a run of a container is over, by its pod's status."""
    found = status_in(status, container)
    return number(found, "restartCount") > attempt or member(found, "state", "terminated") is not None


class _Tail:
    """What is added to a log's file, and to the one that follows it under the same name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""

    def __enter__(self) -> _Tail:
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def entries(self) -> Iterator[Entry]:
        """Yield what is new."""
        yield from self._read()
        while self._is_replaced():
            yield from self._read()  # what was written until it was renamed
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            os.close(self._descriptor)
            self._descriptor, self._rest = descriptor, b""
            yield from self._read()

    def _read(self) -> Iterator[Entry]:
        while data := os.read(self._descriptor, READ_AT_ONCE):
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from _entries(lines)

    def _is_replaced(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:  # between the renaming and the new file
            return False


def _older_entries(path: Path) -> list[Entry]:
    """Return what was rotated away, oldest first."""
    found: list[Entry] = []
    for number_of in range(FILES_LIMIT, 0, -1):
        with suppress(FileNotFoundError):
            found += _entries(path.with_name(f"{path.name}.{number_of}").read_bytes().split(b"\n"))
    return found


def _entries(lines: list[bytes]) -> list[Entry]:
    return [entry for line in lines if (entry := parse_entry(line)) is not None]
