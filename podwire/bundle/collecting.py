"""One part -> its text, or why there is none. Nothing here waits for longer, or keeps more, than it may."""

from __future__ import annotations

import os
import selectors
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from linuxnet.iptables import SEARCH_PATH
from podwire.bundle.parts import Command, Document, Part

KEPT = ("HOME", "XDG_RUNTIME_DIR", "PODWIRE_SOCKET", "PODWIRE_LOG")  # of the environment
CHUNK = 1 << 16  # bytes; what a pipe holds
WORDS_LIMIT = 2000  # characters of an error's text


@dataclass(frozen=True)
class Collected:
    """What a part gave. `problem` is "" or a sentence; there may be text all the same."""

    text: str
    problem: str = ""


def collect(part: Part, environment: Mapping[str, str]) -> Collected:
    """Read a part. Never raises for what the part is: that goes into `problem`."""
    try:
        return _copy(part) if isinstance(part, Document) else _run(part, environment)
    except FileNotFoundError as error:
        return Collected("", f"{error.filename} is not on this machine")
    except OSError as error:
        return Collected("", f"{error.filename or part.source}: {error.strerror}")


def _copy(part: Document) -> Collected:
    descriptor = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
        seen = os.fstat(descriptor)  # its size is 0 below /proc
        if not stat.S_ISREG(seen.st_mode):
            return Collected("", f"{part.path} is no regular file")
        skipped = max(0, seen.st_size - part.limit) if part.from_the_end else 0
        file.seek(skipped)
        data = _read_file(file, part.limit)
    if skipped:
        return Collected(_text(data[: part.limit]), f"only the last {part.limit} bytes of {seen.st_size}")
    return _bounded(data, part.limit)


def _read_file(file: IO[bytes], limit: int) -> bytes:
    """Read one byte more than the limit at most, in small steps: a sysctl allocates what it is asked for."""
    chunks, size = list[bytes](), 0
    while size <= limit and (chunk := file.read(CHUNK)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)[: limit + 1]


def _run(part: Command, environment: Mapping[str, str]) -> Collected:
    kept = {name: environment[name] for name in KEPT if name in environment}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            part.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env=kept | {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"},
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            data, is_late = _read(process.stdout, part)
            if is_late or len(data) > part.limit:
                process.kill()
            status = process.wait(max(part.seconds, 1))
        finally:
            process.kill()  # does nothing to one that has been waited for
        if is_late:
            return Collected(_text(data[: part.limit]), f"it took more than {part.seconds:g} s")
        if len(data) <= part.limit and status not in part.statuses:
            errors.seek(0)
            said = _text(errors.read(WORDS_LIMIT) or data[-WORDS_LIMIT:]).strip()
            return Collected(_text(data), f"status {status}: {said}")
    return _bounded(data, part.limit)


def _read(pipe: IO[bytes], part: Command) -> tuple[bytes, bool]:
    """Return what a process wrote, one byte more than the limit at most, and whether its time was over."""
    deadline, chunks, size = time.monotonic() + part.seconds, list[bytes](), 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while size <= part.limit:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return b"".join(chunks), True
            chunk = os.read(pipe.fileno(), CHUNK)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
    return b"".join(chunks)[: part.limit + 1], False


def _bounded(data: bytes, limit: int) -> Collected:
    if len(data) > limit:
        return Collected(_text(data[:limit]), f"only the first {limit} bytes")
    return Collected(_text(data))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
