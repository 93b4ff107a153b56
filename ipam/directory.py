"""The reservations of one network: a file an address, in the reference's host-local's own format.

`<dataDir>/<network>/` holds a file per address (0600; `<containerID>\\r\\n<ifname>`), `last_reserved_ip.N`
for range set N, and `lock`. The Go plugin may work in the same directory at the same time: whoever changes
anything holds flock(2) on `lock`. It walks the whole directory and takes every file's content for a
reservation, so nothing else of ours may ever lie in it.

Crashes. A reservation is written to a file without a name and then linked to the address, which is atomic
and exclusive: there is none, or a whole one. An empty file is what a Go plugin left that died between
creating and writing; whoever holds the lock may remove it, for its writer is gone. Nothing is synced: a
reservation stands for a network namespace, which outlives no boot. What power loss takes away nobody
holds; what it leaves empty is removed as above; what it leaves behind is an earlier boot's.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from netaddr import INET_PTON, AddrFormatError, IPAddress

from cni_spec.errors import TRY_AGAIN_LATER, CniError
from ipam.keys import Key, name_of, parse_name
from ipam.lock import take_lock

LOCK = "lock"
LAST_RESERVED = "last_reserved_ip."
OURS = ".podwire"  # beside the networks' directories; no network's name begins with a dot
RACY = 100_000_000  # ns; ten ticks of the slowest kernel clock (CONFIG_HZ=100) that stamps files
PAST = 2_000_000_000  # ns; whole seconds, for file systems that keep no fractions
INODE_MASK = 2**63 - 1  # SQLite's integers are signed
SIZE_LIMIT = 4096  # bytes; an id (1024), a line break and an interface name fit

NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # open(2), O_TMPFILE, by age of the kernel


@dataclass(frozen=True, order=True)
class Owner:
    """Who holds an address. `ifname` is "" in files of host-local before 0.7.0; both are in empty files."""

    container_id: str
    ifname: str

    @property
    def text(self) -> str:
        """Return the content of its files."""
        return f"{self.container_id}\r\n{self.ifname}" if self.ifname else self.container_id

    def __str__(self) -> str:
        return f"{self.container_id} {self.ifname}".strip() or "nobody"


NOBODY = Owner("", "")


class Identity(NamedTuple):
    """What tells a file from a later one of the same name."""

    inode: int
    mtime: int  # ns; 0: too young to tell, read it again


class Directory:
    """The files of one network. Made by `open_locked`, used while the lock is held."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.entries_read = 0  # names listed and files opened; what an operation costs
        self._fd = fd

    def scan(self) -> Iterator[tuple[Key, Identity]]:
        """List the addresses there are files for."""
        now = time.time_ns()
        with os.scandir(self._fd) as entries:
            for entry in entries:
                self.entries_read += 1
                key = parse_name(entry.name)
                if key is not None and entry.is_file(follow_symlinks=False):
                    yield key, _identify(entry.stat(follow_symlinks=False), now)

    def read(self, key: Key) -> Owner | None:
        """Return who holds an address: None if there is no file, NOBODY if it says nothing."""
        self.entries_read += 1
        try:
            content = self._read(name_of(key))
        except FileNotFoundError:  # free
            return None
        except IsADirectoryError:  # somebody's folder; link() will not pass it either
            return NOBODY
        return parse_owner(content)

    def reserve(self, key: Key, owner: Owner) -> Identity | None:
        """Make the file of an address; return None if there is one."""
        try:
            return self._reserve_unnamed(name_of(key), owner)
        except OSError as error:
            if error.errno not in NO_TMPFILE and not isinstance(error, FileNotFoundError):  # no /proc
                raise
        return self._reserve_named(name_of(key), owner)

    def remove(self, key: Key, owner: Owner) -> bool:
        """Remove the file of an address if it is still this owner's; tell whether it was."""
        if self.read(key) != owner:
            return False
        self.unlink(key)
        return True

    def unlink(self, key: Key) -> None:
        """Remove the file of an address."""
        os.unlink(name_of(key), dir_fd=self._fd)

    def last_reserved(self, set_index: int) -> IPAddress | None:
        """Return the address that was given last from a set, None if nobody can tell."""
        try:
            text = self._read(f"{LAST_RESERVED}{set_index}").decode("ascii", "replace")
            return IPAddress(text.strip(), flags=INET_PTON)
        except (FileNotFoundError, AddrFormatError):  # the first ADD; or cut off by a crash
            return None

    def put_last_reserved(self, set_index: int, key: Key) -> None:
        """Note the address that was given last.

        In place, as the reference does, but without emptying the file first: a full disk cannot take the
        old value away. A hint only: torn by a crash it makes the next search begin somewhere else.
        """
        fd = os.open(f"{LAST_RESERVED}{set_index}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600,
                     dir_fd=self._fd)  # fmt: skip
        with os.fdopen(fd, "wb", buffering=0) as file:
            text = name_of(key).encode()
            file.write(text)
            file.truncate(len(text))

    def stamp(self) -> int:
        """Return the directory's mtime, in ns: every file that is made or removed changes it."""
        return os.fstat(self._fd).st_mtime_ns

    def put_stamp(self) -> int:
        """Set the directory's mtime to one that no later change can bring about, and return it."""
        os.utime(self._fd, ns=(past := _unique_past(), past))
        return self.stamp()

    def _read(self, name: str) -> bytes:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=self._fd)
        try:
            return os.read(fd, SIZE_LIMIT)
        finally:
            os.close(fd)

    def _reserve_unnamed(self, name: str, owner: Owner) -> Identity | None:
        fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        try:
            identity = _fill(fd, owner)
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=self._fd, follow_symlinks=True)
        except FileExistsError:  # taken
            return None
        finally:
            os.close(fd)
        return identity

    def _reserve_named(self, name: str, owner: Owner) -> Identity | None:
        """Do the same on file systems without O_TMPFILE, through a file next to the index."""
        folder = self.path.parent / OURS / self.path.name
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "draft"  # one is enough: its writer holds the network's lock
        draft.unlink(missing_ok=True)  # a crash may have left it, perhaps linked: never write to it
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            identity = _fill(fd, owner)
            os.link(draft, name, dst_dir_fd=self._fd)
        except FileExistsError:  # taken
            return None
        finally:
            os.close(fd)
            draft.unlink()
        return identity


@contextmanager
def open_locked(data_dir: Path, network: str, *, deadline: float) -> Iterator[Directory]:
    """Make a network's directory if need be, lock it, and hand it out while the lock is held.

    Raises:
        CniError: code 11, if others hold the lock for `deadline` seconds.
    """
    path = data_dir / network
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=fd)
        try:
            if not take_lock(lock, deadline):
                raise CniError(TRY_AGAIN_LATER, f"network {network}: try again later: the lock {path}/{LOCK} "
                               f"was held by another process for {deadline:g} s")  # fmt: skip
            yield Directory(path, fd)
        finally:
            os.close(lock)
    finally:
        os.close(fd)


def parse_owner(content: bytes) -> Owner:
    """Read a file's content; white space around it, and the NULs that power loss leaves, do not count."""
    text = content.decode("utf-8", "replace").strip("\0 \t\r\n\v\f")
    container_id, _, ifname = text.partition("\r\n")
    return Owner(container_id, ifname)


def _fill(fd: int, owner: Owner) -> Identity:
    content = owner.text.encode()
    if os.write(fd, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.utime(fd, ns=(past := _unique_past(), past))
    seen = os.fstat(fd)
    return Identity(seen.st_ino & INODE_MASK, seen.st_mtime_ns)


def _identify(seen: os.stat_result, now: int) -> Identity:
    """Trust no mtime that a change to come could still have: inodes are used again at once."""
    return Identity(seen.st_ino & INODE_MASK, seen.st_mtime_ns if seen.st_mtime_ns < now - RACY else 0)


def _unique_past() -> int:
    """Return a moment between two and three seconds ago, to a random nanosecond; the clock goes on."""
    return time.time_ns() - PAST - int.from_bytes(os.urandom(4), "big") % 1_000_000_000
