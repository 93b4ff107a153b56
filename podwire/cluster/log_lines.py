"""The CRI's log format, `2026-01-01T00:00:00.000000000Z stdout F text`, as a person reads it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

STREAMS = (b"stdout", b"stderr")


class Entry(NamedTuple):
    """One entry. `is_whole`: it ends its line."""

    time: bytes
    stream: bytes
    is_whole: bool
    text: bytes


@dataclass(frozen=True)
class Wanted:
    """What of a log is wanted; `stream` "stdout" or "stderr" alone, or "".

    `tail`: so many lines of the end, None: all; `since`: seconds of the epoch.
    """

    tail: int | None = None
    since: float | None = None
    has_times: bool = False
    prefix: bytes = b""
    stream: str = ""

    def takes(self, entry: Entry) -> bool:
        """Tell whether an entry is meant, and new enough. Times of one form and in UTC sort as texts do."""
        is_meant = not self.stream or entry.stream == self.stream.encode()
        return is_meant and (self.since is None or entry.time >= _stamp(self.since))


def parse_entry(line: bytes) -> Entry | None:
    """Read an entry, without the line's end; None: it is none, as the half of one that a full disk left."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in STREAMS:
        return None
    tags = parts[2].split(b":")
    if tags[0] not in (b"F", b"P"):
        return None
    return Entry(parts[0], parts[1], tags[0] == b"F", parts[3] if len(parts) == 4 else b"")


def last_lines(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """Return the entries of the lines that are wanted of what is there already."""
    lines: deque[list[Entry]] = deque(maxlen=wanted.tail)
    is_open = False
    for entry in entries:
        if not wanted.takes(entry):
            continue
        if is_open and lines:
            lines[-1].append(entry)
        else:
            lines.append([entry])
        is_open = not entry.is_whole
    return [entry for line in lines for entry in line]


class Writer:
    """Turns entries into what is printed; remembers whether it is in the midst of a line."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._is_new = True

    def printed(self, entries: Iterable[Entry]) -> bytes:
        """Return the text of entries."""
        return b"".join(self._parts(entries))

    def _parts(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        for entry in entries:
            if self._is_new:
                yield self._wanted.prefix
                if self._wanted.has_times:
                    yield entry.time + b" "
            yield entry.text + (b"\n" if entry.is_whole else b"")
            self._is_new = entry.is_whole


def _stamp(seconds: float) -> bytes:
    whole, rest = divmod(round(seconds * 1e9), 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z".encode()
