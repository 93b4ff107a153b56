"""Claims in one file of this machine, where no store is shared: a line of JSON each, a restart reads them.

Ten thousand claims are one write here, and a hundred times as long in a store of one file for each key. Any
number of processes may use it; who decided on what has changed since is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster_store.store import Conflict, StoreUnavailable
from service_proxy.claims import Claim

State = tuple[int, int]  # inode and size: the file is only appended to, or replaced


class FileLedger:
    """A `claims.Ledger` that is a file. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._state = path, (0, 0)
        self._seen: dict[str, Claim] = {}  # as of that state

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"file {self._path}"

    def read(self) -> Mapping[str, Claim]:
        """Return all that can be read; a line that was cut by a crash is nobody's."""
        with self._held() as file:
            self._read(file)
            return dict(self._seen)

    def claim(self, wanted: Iterable[Claim]) -> None:
        """Write some claims.

        Raises:
            Conflict: somebody has written since it was read.
            StoreUnavailable: the file cannot be written.
        """
        new = {claim.thing: claim for claim in wanted}
        if not new:
            return
        lines = "".join(f"{json.dumps(claim)}\n" for claim in new.values())
        with self._held() as file:
            is_known = self._unchanged(file, new) is self._seen
            size = _state(file)[1]
            is_cut = bool(size) and os.pread(file, 1, size - 1) != b"\n"
            _write(file, f"{chr(10) * is_cut}{lines}".encode())
            os.fsync(file)
            self._seen |= new
            if is_known:  # else others have written, too, what was not read yet
                self._state = _state(file)

    def release(self, things: Iterable[str]) -> None:
        """Remove claims. Raises as `claim`."""
        gone = frozenset(things)
        with self._held() as file:
            current = self._unchanged(file, gone)
            kept = {thing: claim for thing, claim in current.items() if thing not in gone}
            draft = self._path.with_name(f"{self._path.name}.new")
            with draft.open("w") as new:
                new.writelines(f"{json.dumps(claim)}\n" for claim in kept.values())
                new.flush()
                os.fsync(new.fileno())
                if current is self._seen:
                    self._state = _state(new.fileno())
            draft.replace(self._path)
            for thing in gone:
                self._seen.pop(thing, None)

    def _read(self, file: int) -> None:
        self._seen, self._state = _parsed(file), _state(file)

    def _unchanged(self, file: int, things: Iterable[str]) -> dict[str, Claim]:
        """Return what the file has, if these are as they were read. Raises Conflict."""
        if _state(file) == self._state:
            return self._seen
        current = _parsed(file)
        if any(current.get(thing) != self._seen.get(thing) for thing in things):
            raise Conflict({})
        return current

    @contextmanager
    def _held(self) -> Iterator[int]:
        """Give the file, locked: it itself may be replaced, so the lock is a file of its own."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                try:
                    yield file
                finally:
                    os.close(file)
            finally:
                os.close(lock)
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error


def _state(file: int) -> State:
    found = os.fstat(file)
    return found.st_ino, found.st_size


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _whole(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _parsed(file: int) -> dict[str, Claim]:
    return {claim.thing: claim for claim in _claims(_whole(file))}


def _claims(text: bytes) -> Iterator[Claim]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, list) and len(found) == 3 and all(isinstance(part, str) for part in found):
            yield Claim(*found)
