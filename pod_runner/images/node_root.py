"""The node's own files as an image: what a container gets that has none.

Its lowest layer is a skeleton, made from what is on the node now: a copy of what anybody may read in /etc,
empty folders where programs expect some, links such as /bin. Nothing else of the node's `/` is in it,
whatever appears there later; secrets of /etc are not either, since what only root may read is left out.
Folders that are nothing but programs (/usr, and on some distributions /nix/store) are too large to copy:
they are seen as they are, each under an overlay of its own (`Image.parts`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pod_runner.images.image import HOST, Image
from pod_runner.images.locks import held
from pod_runner.images.shelves import Shelves, short
from pod_runner.kernel.id_maps import is_machines

PROGRAMS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")  # where real
EMPTY = (
    "boot", "dev", "home", "media", "mnt", "opt", "proc", "run", "run/lock", "srv", "sys",
    "var", "var/cache", "var/lib", "var/local", "var/log", "var/mail", "var/opt", "var/spool",
)  # fmt: skip
OWN_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
LINKS = {"var/run": "/run", "var/lock": "/run/lock"}
# Daemons expect folders of theirs here, with their owner and mode; what is in them is not seen
STATE = ("var/cache", "var/lib", "var/log", "var/spool")
# Of /etc, beside what others may not read: what says which node this is, who may enter it, what runs it
LEFT_OUT = frozenset({
    "containerd", "containers", "cni", "crio", "docker", "hostname", "hosts", "kubernetes", "machine-id",
    "mtab", "podwire", "rancher", "resolv.conf", "ssh", "ssl/private", "udev",
})  # fmt: skip
LARGEST = 16 << 20  # bytes of a file of /etc; configuration is smaller
_ESCAPE = re.compile(rb"\\([0-7]{3})")  # "\\040" is a space (proc(5), mountinfo)
VERSION = 1  # of the skeleton: one that was made by other rules is not taken
OTHERS_READ, OTHERS_ENTER = stat.S_IROTH, stat.S_IROTH | stat.S_IXOTH


class _Found(NamedTuple):
    """An entry of /etc."""

    path: str
    status: os.stat_result

    def __str__(self) -> str:
        there = self.status
        return (
            f"{self.path} {there.st_mode} {there.st_uid} {there.st_gid} {there.st_size} {there.st_mtime_ns}"
        )


def node_image(shelves: Shelves, node: Path = Path("/")) -> Image:
    """Return the node's own files as an image; its skeleton is made anew when the node's /etc has changed.

    Raises:
        OSError: it cannot be made.
    """
    found = list(_readable(str(node / "etc"), ""))
    digest = _digest(found, node)
    if not shelves.has((digest,)):
        with held(shelves.lock(short(digest))):
            if not shelves.has((digest,)):
                _make(shelves, digest, node, found)
    parts = tuple(node / name for name in PROGRAMS if _is_folder(node / name))
    return Image(HOST, (shelves.layer(digest),), parts=parts, store=shelves.root)


def mounts_below(folder: Path) -> list[Path]:
    """Return what is mounted below a folder, as this process sees it, in the order it was mounted."""
    begin = os.fsencode(f"{folder}/")
    found: dict[bytes, None] = {}
    for line in Path("/proc/thread-self/mountinfo").read_bytes().splitlines():
        path = _ESCAPE.sub(lambda digits: bytes([int(digits[1], 8)]), line.split(b" ", 5)[4])
        if path.startswith(begin):
            found[path] = None
    return [Path(os.fsdecode(one)) for one in found]


@cache
def owns_mounts() -> bool:
    """Tell whether this is the first user namespace; others inherit mounts that are locked together."""
    return is_machines()


def _readable(folder: str, below: str) -> Iterator[_Found]:
    """Walk what everybody may read, in order, folders before what is in them."""
    with os.scandir(folder) as opened:
        entries = sorted(opened, key=lambda one: one.name)
    for one in entries:
        path = f"{below}{one.name}"
        if path in LEFT_OUT:
            continue
        try:
            status = one.stat(follow_symlinks=False)
        except FileNotFoundError:  # it has just gone
            continue
        mode = status.st_mode
        if stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and mode & OTHERS_READ and status.st_size <= LARGEST):
            yield _Found(path, status)
        elif stat.S_ISDIR(mode) and mode & OTHERS_ENTER == OTHERS_ENTER:
            yield _Found(path, status)
            yield from _readable(one.path, f"{path}/")


def _digest(found: list[_Found], node: Path) -> str:
    programs = [f"{name} {_is_folder(node / name)}" for name in PROGRAMS]
    folders = [f"{one} {one.lstat().st_mode}" for name in STATE for one in _folders(node / name)]
    lines = "\n".join((str(VERSION), *map(str, found), *programs, *folders))
    return f"host:{hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _make(shelves: Shelves, digest: str, node: Path, found: list[_Found]) -> None:
    fresh = shelves.root / "fresh" / short(digest)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        _make_skeleton(fresh, node)
        size = sum(_copy(one, node / "etc", fresh / "etc") for one in found)
        for one in reversed(found):  # what was put into a folder changed its time
            if stat.S_ISDIR(one.status.st_mode):
                os.utime(fresh / "etc" / one.path, ns=(one.status.st_mtime_ns, one.status.st_mtime_ns))
        shelves.place(fresh, digest, size)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # it has gone to its place, or it is of no use


def _make_skeleton(fresh: Path, node: Path) -> None:
    fresh.chmod(0o755)
    for name in ("etc", *EMPTY, *OWN_MODES):
        folder = fresh / name
        folder.mkdir()
        folder.chmod(OWN_MODES.get(name, 0o755))
    for name, target in LINKS.items():
        (fresh / name).symlink_to(target)
    for name in PROGRAMS:
        if _is_folder(node / name):
            (fresh / name).mkdir(parents=True)
        elif (node / name).is_symlink() and "/" not in name:
            (fresh / name).symlink_to((node / name).readlink())
    for name in STATE:
        _copy_folders(node / name, fresh / name)


def _copy_folders(source: Path, target: Path) -> None:
    """Make the folders that are in a folder, empty, with their owners and modes."""
    for one in _folders(source):
        status = one.lstat()
        (target / one.name).mkdir()
        _own(target / one.name, status)
        (target / one.name).chmod(stat.S_IMODE(status.st_mode))


def _folders(folder: Path) -> list[Path]:
    if not _is_folder(folder):
        return []
    with os.scandir(folder) as entries:
        return sorted(folder / one.name for one in entries if one.is_dir(follow_symlinks=False))


def _copy(one: _Found, source: Path, target: Path) -> int:
    """Copy an entry; return its bytes. What has gone or changed its kind meanwhile is left out."""
    path = target / one.path
    mode = one.status.st_mode
    if stat.S_ISDIR(mode):
        path.mkdir()
    elif stat.S_ISLNK(mode):
        with suppress(OSError):
            path.symlink_to((source / one.path).readlink())
            _own(path, one.status)
        return 0
    else:
        try:
            descriptor = os.open(
                source / one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError:
            return 0
        with os.fdopen(descriptor, "rb") as file:
            path.write_bytes(file.read(LARGEST))
        os.utime(path, ns=(one.status.st_mtime_ns, one.status.st_mtime_ns))
    _own(path, one.status)
    path.chmod(stat.S_IMODE(mode))
    return one.status.st_size if stat.S_ISREG(mode) else 0


def _own(path: Path, status: os.stat_result) -> None:
    """Give a copy its owner; in a user namespace what is nobody's there stays ours, who is root in it."""
    if owns_mounts():
        with suppress(PermissionError):  # an ordinary user copies for itself
            os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
