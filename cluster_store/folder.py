"""The folder behind a directory store: values that a person can read and edit, and notes about them.

    KEY                the value; KEY is percent-encoded (`key_names`)
    .store/lock        held by whoever looks or changes
    .store/about/KEY   version, created, lease, and the state of the value's file that this is said of
    .store/new/N       values of a commit under way
    .store/commit      that commit, from the moment on that it is certain; who finds it carries it out
    .store/done        the last commit or observation; its revision counts them
    .store/leases/ID   `folder_leases`

A value whose state is not the noted one was changed by hand (or by rsync): whoever sees it first gives it the
next version. A file without a note is new, and so created later than all others. Copies of the folder leave
`.store` out (`rsync --exclude=.store`). A file that cannot be a value counts as no item.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cluster_store.folder_lock import locked
from cluster_store.key_names import key_of, name_of, quote
from cluster_store.store import Change, Item, Put, Snapshot, StoreRefused, StoreUnavailable
from cluster_store.value_file import (
    BAD_FILE,
    Signature,
    Unreadable,
    read_value,
    signature_of,
    write_note,
    write_value,
)

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class About(NamedTuple):
    """What the store knows of a key's value."""

    version: int
    created: int
    lease: int
    signature: Signature

    def to_line(self) -> str:
        """Return it as a note's text."""
        return " ".join(map(str, (*self[:3], *self.signature)))


class Folder:
    """One thread's view of the folder. Everything but `held` is called while it is held."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inner = root / ".store"
        self.revision = 0
        self._temporary = self.inner / "tmp"
        self._noted: dict[str, About] = {}  # by file name; good as long as the signature is the file's

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder alone, finish what a killed process left. Raises StoreUnavailable, StoreRefused."""
        try:
            self._make()
            with locked(self.inner / "lock"):
                self._catch_up()
                yield
        except OSError as error:
            kind = StoreRefused if error.errno in _FORBIDDEN else StoreUnavailable
            raise kind(f"{error.filename or self.root}: {error.strerror}") from error

    def _catch_up(self) -> None:
        revision = _revision(self.inner / "done")
        if revision < self.revision:  # somebody has begun it anew: the same numbers mean other things now
            self._noted.clear()
        self.revision = revision
        self._finish()

    def _make(self) -> None:
        """Make the store's own folders. A missing root stays missing: a disk may not be mounted yet."""
        if not (self.inner / "leases").is_dir():
            for folder in (self.inner, self.inner / "about", self.inner / "new", self.inner / "leases"):
                folder.mkdir(exist_ok=True)

    def find(self, key: str) -> Item | None:
        """Return what is under a key. Raises Unreadable, StoreRefused."""
        name = name_of(key)
        if (read := read_value(self.root / name)) is None:
            self._forget(name)
            return None
        about = self._about(name, read[1])
        return Item(key, read[0], about.version, about.created, about.lease)

    def snapshot(self, prefix: str) -> Snapshot:
        """Return all that can be read."""
        items = [item for key in self._keys(prefix) if (item := self._found(key))]
        return Snapshot(tuple(sorted(items)), self.revision)

    def _found(self, key: str) -> Item | None:
        try:
            return self.find(key)
        except Unreadable:
            return None

    def changed(self, prefix: str, versions: dict[str, int]) -> list[str]:
        """Return which keys may not have these versions any more; looks at files' states, not into them."""
        found, changed = set(), []
        for key, name, signature in self._survey(prefix):
            found.add(key)
            noted = self._noted.get(name)
            if noted is None or noted.signature != signature or noted.version != versions.get(key):
                changed.append(key)
        return [key for key in versions if key not in found] + changed

    def keys_under(self, lease: int) -> list[str]:
        """Return the keys that end with a lease."""
        items = (self._found(key) for key in self._keys(""))
        return [item.key for item in items if item and item.lease == lease]

    def _survey(self, prefix: str) -> Iterator[tuple[str, str, Signature]]:
        start = quote(prefix)
        with os.scandir(self.root) as entries:
            for entry in entries:
                if entry.name.startswith(start) and (key := key_of(entry.name)):
                    yield key, entry.name, _signature(entry)

    def _keys(self, prefix: str) -> list[str]:
        """Return the keys that have files, and forget those that had."""
        names = {name: key for key, name, _ in self._survey(prefix)}
        start = quote(prefix)
        for name in os.listdir(self.inner / "about"):  # noqa: PTH208
            if name.startswith(start) and name not in names:
                self._forget(name)
        return list(names.values())

    def _about(self, name: str, signature: Signature) -> About:
        about = self._noted.get(name)
        if about is None or about.signature != signature:
            about = _read_about(self.inner / "about" / name)
            if about is None or about.signature != signature:
                about = self._observe(name, about, signature)
            self._noted[name] = about
        return about

    def _observe(self, name: str, before: About | None, signature: Signature) -> About:
        """Give a value that a hand has made or changed the next version."""
        self.revision += 1
        write_note(
            self.inner / "done", json.dumps({"revision": self.revision, "seen": name}), self._temporary
        )
        created, lease = (before.created, before.lease) if before else (self.revision, 0)
        about = About(self.revision, created, lease, signature)
        write_note(self.inner / "about" / name, about.to_line(), self._temporary)
        return about

    def _forget(self, name: str) -> None:
        self._noted.pop(name, None)
        (self.inner / "about" / name).unlink(missing_ok=True)

    def write(self, changes: Sequence[Change]) -> None:
        """Make all changes, or none if killed before the record of them has its name."""
        revision = self.revision + 1
        steps = [self._prepare(number, change, revision) for number, change in enumerate(changes)]
        record = json.dumps({"revision": revision, "steps": steps})
        write_note(self.inner / "commit", record, self._temporary)
        self._finish()

    def _prepare(self, number: int, change: Change, revision: int) -> list[str]:
        name = name_of(change.key)
        if not isinstance(change, Put):
            return [name]
        before = self._found(change.key)
        signature = write_value(self.inner / "new" / str(number), change.value.encode())
        about = About(revision, before.created if before else revision, change.lease, signature)
        return [name, str(number), about.to_line()]

    def _finish(self) -> None:
        """Carry out the commit that is recorded, again if need be; each step may have been taken already."""
        try:
            revision, steps = _parse_commit((self.inner / "commit").read_bytes())
        except FileNotFoundError:
            return
        except ValueError:  # a power failure took its text, and with it the commit; or it is not ours
            (self.inner / "commit").unlink()
            return
        for name, *put in steps:
            if put:
                self._place(name, *put)
            else:
                (self.root / name).unlink(missing_ok=True)
                self._forget(name)
        self.revision = revision
        (self.inner / "commit").rename(self.inner / "done")

    def _place(self, name: str, number: str, about: str) -> None:
        """Put a new value in its place; the note first, so that nobody takes the value for a hand's."""
        write_note(self.inner / "about" / name, about, self._temporary)
        with suppress(FileNotFoundError):  # the process that was killed had come further
            (self.inner / "new" / number).rename(self.root / name)


def _signature(entry: os.DirEntry[str]) -> Signature:
    """Return a file's signature; one that no file has, if it cannot be told: then `find` will say why."""
    try:
        return signature_of(entry.stat())
    except OSError as error:
        if error.errno in BAD_FILE or error.errno == errno.ENOENT:
            return Signature(0, 0, 0)
        raise


def _read_about(path: Path) -> About | None:
    try:
        version, created, lease, *signature = map(int, path.read_bytes().split())
        return About(version, created, lease, Signature(*signature))
    except (FileNotFoundError, ValueError, TypeError):  # none, or damaged by a power failure: as good as none
        return None


def _parse_commit(data: bytes) -> tuple[int, list[list[str]]]:
    """Read a commit's record, which must name nothing outside the folder. Raises ValueError."""
    try:
        record = json.loads(data)
        steps = [[str(part) for part in step] for step in record["steps"]]
        is_fine = all(key_of(step[0]) and (len(step) == 1 or step[1].isdecimal()) for step in steps)
        is_fine &= all(len(step) in (1, 3) for step in steps)
        revision = int(record["revision"])
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError("not a commit's record") from error
    if not is_fine:
        raise ValueError("a commit's record that no store has written")
    return revision, steps


def _revision(path: Path) -> int:
    try:
        return int(json.loads(path.read_bytes())["revision"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0
