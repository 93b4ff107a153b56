"""One operation on a network: the lock held, the index in step with the directory.

The directory is the truth. Its mtime tells whether anybody else changed it: every change of ours ends by
setting it to a moment the clock cannot come to any more, and the index keeps that stamp. Another stamp
means that a Go plugin, a person or a crash was there: then the names are listed, and the files read that
are new or not the ones they were. Nothing rests on the index being right. A taken address is refused by
link(2), a file is read before it is removed, and the pool is called exhausted only after a look at the
directory. One gap is left: a file that somebody makes or removes *without the lock*, in the microseconds
between our change and its stamp, is noticed with the next change.

The first operation after a boot checks the index and reads every file. Reservations of an earlier boot
whose namespace is gone are given up then; what that boot's index did not know is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cni_spec.errors import IO_FAILURE, CniError
from ipam.directory import NOBODY, Directory, Identity, Owner, open_locked
from ipam.index import Index, Reservation
from ipam.kept import KeptIndexes
from ipam.keys import Key
from ipam.network import Network
from ipam.sticky import Sticky, open_sticky

AT_ONCE = 64  # changes; beyond it is cheaper to make the runs anew, and operations stay short below

T = TypeVar("T")


class Store:
    """A network under its lock, handed to an operation by `operate`."""

    def __init__(self, network: Network, directory: Directory, index: Index, boot_id: str) -> None:
        self.directory = directory
        self.index = index
        self._network = network
        self._boot_id = boot_id
        self._sticky: Sticky | None = None
        self._changed = False

    def sticky(self, *, create: bool) -> Sticky | None:
        """Return the memory of names, None if there is none and none is to be made."""
        if self._sticky is None:
            self._sticky = open_sticky(self._network.own_folder / "sticky.sqlite", create=create)
        return self._sticky

    def catch_up(self) -> None:
        """Compare with the directory if somebody else changed it, or in a new boot."""
        stamp, boot_id = self.index.meta()
        if boot_id not in ("", self._boot_id):
            self.index.check()
        if (stamp, boot_id) != (self.directory.stamp(), self._boot_id):
            self.compare(every_file=boot_id != self._boot_id)

    def compare(self, *, every_file: bool = False, every_run: bool = False) -> None:
        """Bring the index up to what the directory holds, and remove what nobody owns."""
        self._changed = True
        known = self.index.identities()
        seen = dict(self.directory.scan())
        news = [key for key, it in seen.items() if every_file or known.get(key) != it or it.mtime == 0]
        gone = [key for key in known if key not in seen]
        if is_much := every_run or len(news) + len(gone) > AT_ONCE:
            self.index.put_runs_off()
        for key in gone:
            self.index.drop("reservations", key)
        for key in news:
            self._learn(key, seen[key])
        self._compare_idle()
        if is_much:
            self.index.make_runs()

    def reserve(self, key: Key, owner: Owner, netns: str, set_index: int) -> bool:
        """Take an address; return False, having learnt whose it is, if somebody had it."""
        self._changed = True
        identity = self.directory.reserve(key, owner)
        if identity is None:  # the index was wrong about this one, and who knows about what else
            self.compare(every_run=True)
            self._learn(key, Identity(0, 0))
            return False
        try:
            self.index.put(Reservation(key, owner, self._boot_id, netns, self._network.now(), identity))
            self.directory.put_last_reserved(set_index, key)
        except BaseException:
            self.take_back(key, owner)
            raise
        return True

    def take_back(self, key: Key, owner: Owner) -> None:
        """Undo `reserve`."""
        self.directory.remove(key, owner)
        with suppress(sqlite3.DatabaseError):  # what failed may have been the index
            self._drop(key)

    def release(self, key: Key, owner: Owner) -> bool:
        """Give an address back; it cools, and is kept apart if a name remembers it."""
        self._changed = True
        if self.directory.read(key) != owner:
            return False
        if self._network.cooldown > 0:
            self.index.mark("cooling", key, self._network.now())
        self._drop(key)
        self.directory.unlink(key)  # last: an index that fails before has the operation run again
        return True

    def held_by(self, owner: Owner) -> list[Key]:
        """Return what an owner holds, each file read; what was made before 0.7.0 names only its container."""
        held = self.index.held_by(owner) or self.index.held_by(Owner(owner.container_id, ""))
        if any(self.directory.read(key) not in (owner, Owner(owner.container_id, "")) for key in held):
            self.compare(every_file=True)  # somebody wrote into a file
            return self.index.held_by(owner) or self.index.held_by(Owner(owner.container_id, ""))
        return held

    def thaw(self, limit: int = AT_ONCE) -> None:
        """Free what has cooled long enough, at most `limit` addresses (-1: all)."""
        now, cooldown = self._network.now(), self._network.cooldown
        for key in self.index.cooled(now, cooldown, limit):
            self.index.drop("cooling", key)

    def look_again(self) -> None:
        """Find every address that can be given after all, before a pool is called exhausted."""
        self.compare(every_run=True)
        for one in list(self.index.reservations()):
            if self._is_left_behind(one):
                self._give_up(one)
        self.thaw(-1)

    def remember(self, name: str, key: Key, instead_of: list[Key]) -> None:
        """Remember an address for a name, durably."""
        if sticky := self.sticky(create=True):
            sticky.remember(name, key, instead_of)
        for old in instead_of:
            self.index.drop("idle", old)

    def settle(self) -> None:
        """Keep the index. If that fails it is found out of step by the next operation."""
        with suppress(sqlite3.DatabaseError):
            stamp = self.directory.put_stamp() if self._changed else self.directory.stamp()
            self.index.commit(stamp, self._boot_id)

    def close(self) -> None:
        """Close the memory of names."""
        if self._sticky is not None:
            self._sticky.close()

    def _learn(self, key: Key, identity: Identity) -> None:
        """Read a file and note whose it is; remove it if it is empty, or an earlier boot's left-over."""
        owner = self.directory.read(key)
        if owner == NOBODY and self._remove_empty(key):
            owner = None
        if owner is None:
            self.index.drop("reservations", key)
            return
        known = self.index.get(key)
        if known is None or known.owner != owner:
            known = Reservation(key, owner, self._boot_id, "", self._network.now(), identity)
        if self._is_left_behind(known):
            self._give_up(known)
        else:
            self.index.put(known._replace(identity=identity))

    def _remove_empty(self, key: Key) -> bool:
        try:
            return self.directory.remove(key, NOBODY)
        except IsADirectoryError:  # not a reservation, but in the way of one
            return False

    def _is_left_behind(self, one: Reservation) -> bool:
        """Tell whether a reservation is an earlier boot's. /proc/PID of then is nobody's now."""
        if one.boot_id == self._boot_id:
            return False
        return one.netns.startswith("/proc/") or not one.netns or not os.path.lexists(one.netns)

    def _give_up(self, one: Reservation) -> None:
        self._changed = True
        if self.directory.remove(one.key, one.owner):
            self._drop(one.key)

    def _drop(self, key: Key) -> None:
        sticky = self.sticky(create=False)
        if sticky and sticky.name_of(key) is not None:
            self.index.mark("idle", key, self._network.now())
        self.index.drop("reservations", key)

    def _compare_idle(self) -> None:
        sticky = self.sticky(create=False)
        remembered = set(sticky.all()) if sticky else set()
        idle = set(self.index.addresses("idle"))
        for key in idle - remembered:
            self.index.drop("idle", key)
        for key in remembered - idle:
            if self.index.get(key) is None:
                self.index.mark("idle", key, self._network.now())


def operate(network: Network, operation: Callable[[Store], T], kept: KeptIndexes | None = None) -> T:
    """Run an operation on a network under its lock, with an index that is sound, and `kept` if it is given.

    The operation runs again if the index turns out to be damaged, so it must take back what it did when
    it raises. The index is the one on disk, else a new one, else (disk full, read-only) one in memory.

    Raises:
        CniError: code 11 if the lock cannot be had in time, code 5 if the directory cannot be used.
    """
    index_path = network.own_folder / "index.sqlite"
    boot_id = network.current_boot()
    try:
        with open_locked(network.data_dir, network.name, deadline=network.deadline) as directory:
            for path in (index_path, index_path, None):
                try:
                    with _open_index(network, path, kept) as index:
                        return _attempt(network, directory, index, boot_id, operation)
                except sqlite3.DatabaseError as error:
                    if path is None:
                        raise CniError(IO_FAILURE, f"index of network {network.name}: {error}") from error
                    _discard(index_path)
            raise AssertionError("the last attempt returns or raises")
    except OSError as error:
        where = network.data_dir / network.name
        raise CniError(IO_FAILURE, f"reservations in {where}: {error.strerror}", str(error)) from error


@contextmanager
def _open_index(network: Network, path: Path | None, kept: KeptIndexes | None) -> Iterator[Index]:
    with suppress(OSError):  # then SQLite says so
        network.own_folder.mkdir(parents=True, exist_ok=True)
    opened = closing(Index(path)) if kept is None or path is None else kept.borrow(path)
    with opened as index:
        yield index


def _attempt(
    network: Network, directory: Directory, index: Index, boot_id: str, operation: Callable[[Store], T]
) -> T:
    with closing(Store(network, directory, index, boot_id)) as store:
        store.catch_up()
        try:
            result = operation(store)
        except CniError:  # said no; what was learnt on the way is kept
            store.settle()
            raise
        store.settle()
        return result


def _discard(index_path: Path) -> None:
    for path in (index_path, index_path.with_name(f"{index_path.name}-journal")):
        with suppress(OSError):  # read-only: the next attempt is made in memory
            path.unlink(missing_ok=True)
