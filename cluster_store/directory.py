"""A registry that is a folder: the embedded default, for one machine or a folder that several share.

A person may read, write and remove values with any tool, while it is in use. Safe against kill -9 at any
instant and any number of processes; `folder` has the layout.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster_store.directory_follower import DirectoryFollower
from cluster_store.folder import Folder
from cluster_store.folder_leases import FolderLeases
from cluster_store.key_names import name_of
from cluster_store.store import Change, Check, Conflict, Item, Put, Snapshot, StoreRefused
from cluster_store.value_file import VALUE_MAX, Unreadable

LEASES_EVERY = 0.25  # seconds between two looks for leases that are over, of one store


class DirectoryStore:
    """A `store.Store` of files."""

    def __init__(self, root: Path) -> None:
        """Use a folder, made if it is missing and can be made; if not, every question will say why."""
        self._root = root.absolute()
        with suppress(OSError):  # a file in the way, a read-only disk: whoever asks is told
            self._root.mkdir(parents=True, exist_ok=True)
        self._folder = Folder(self._root)
        self._leases = FolderLeases(self._folder)
        self._leases_at = 0.0

    @property
    def name(self) -> str:
        """Return what it is, for a person."""
        return f"directory {self._root}"

    def read(self, key: str) -> Item | None:
        """Return one item."""
        with self._held():
            return self._find(key)

    def list(self, prefix: str) -> Snapshot:
        """Return everything whose key starts so, but for files that cannot be values."""
        with self._held():
            return self._folder.snapshot(prefix)

    def commit(self, checks: Iterable[Check], changes: Sequence[Change]) -> None:
        """Make all changes if all checks hold, else none."""
        _refuse_unfit(changes)
        with self._held():
            self._verify(list(checks))
            for change in changes:
                if isinstance(change, Put) and change.lease:
                    self._leases.refuse_gone(change.lease)
            if changes:
                self._folder.write(changes)

    def follow(self, prefix: str, known: Snapshot | None = None) -> DirectoryFollower:
        """Return a follower of a prefix."""
        return DirectoryFollower(self._root, prefix, known)

    def grant(self, ttl: int) -> int:
        """Return a new lease of `ttl` seconds."""
        if ttl < 1:
            raise StoreRefused(f"a lease runs for at least a second, not {ttl}")
        with self._held():
            return self._leases.grant(ttl)

    def keep_alive(self, lease: int) -> int:
        """Start a lease's time anew; return its seconds."""
        with self._held():
            return self._leases.keep_alive(lease)

    def revoke(self, lease: int) -> None:
        """End a lease and every key under it."""
        with self._held():
            self._leases.end(lease)

    def close(self) -> None:
        """Do nothing: between two questions nothing is open."""

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._folder.held():
            now = time.monotonic()
            if now - self._leases_at >= LEASES_EVERY:
                self._leases_at = now
                self._leases.end_overdue()
            yield

    def _find(self, key: str) -> Item | None:
        try:
            return self._folder.find(key)
        except Unreadable as error:
            raise StoreRefused(f"{error}; mend or remove it") from error

    def _verify(self, checks: Sequence[Check]) -> None:
        """Raise Conflict unless all hold. A file nobody can read may be somebody's claim: it is refused."""
        found = {check.key: self._find(check.key) for check in checks}
        for check in checks:
            item = found[check.key]
            if check.version != (item.version if item else 0):
                raise Conflict(found)


def _refuse_unfit(changes: Sequence[Change]) -> None:
    """Refuse what no folder can hold, before anything is changed."""
    seen = set()
    for change in changes:
        if name_of(change.key) in seen:
            raise StoreRefused(f"the key {change.key!r} is changed twice in one commit")
        seen.add(name_of(change.key))
        if isinstance(change, Put):
            _refuse_unfit_value(change)


def _refuse_unfit_value(put: Put) -> None:
    try:
        size = len(put.value.encode())
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise StoreRefused(f"{put.key!r}: the value is no Unicode text: {error.reason}") from error
    if size > VALUE_MAX:
        raise StoreRefused(f"{put.key!r}: a value has at most {VALUE_MAX} bytes, not {size}")
