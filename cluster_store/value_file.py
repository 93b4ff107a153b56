"""One value in one file: read warily, since anybody may have written it, and written whole."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

VALUE_MAX = 1 << 20  # bytes; a node's record has a few hundred, etcd takes 1.5 MiB
PAST = 20_000_000  # ns: twice the longest tick by which kernels date files (10 ms at 100 Hz)
BAD_FILE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO}


class Unreadable(Exception):
    """There is a file, but it cannot be a value: a folder, too big, no UTF-8, or not ours to read."""


class Signature(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    mtime: int  # ns
    size: int


def signature_of(status: os.stat_result) -> Signature:
    """Return a file's signature."""
    return Signature(status.st_ino, status.st_mtime_ns, status.st_size)


def read_value(path: Path) -> tuple[str, Signature] | None:
    """Return a file's text and its state just before it was read; None if there is no file.

    Raises:
        Unreadable: this file is the matter. Any other OSError means the whole folder.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would wait for its writer
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in BAD_FILE:
            raise Unreadable(f"{path}: {error.strerror}") from error
        raise
    try:
        return _read_open(fd, path)
    finally:
        os.close(fd)


def _read_open(fd: int, path: Path) -> tuple[str, Signature]:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable(f"{path}: not a regular file")
    data = os.read(fd, VALUE_MAX + 1)
    if len(data) > VALUE_MAX:
        raise Unreadable(f"{path}: more than {VALUE_MAX} bytes")
    try:
        return data.decode(), signature_of(status)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path}: {error}") from error


def write_value(path: Path, data: bytes) -> Signature:
    """Write a file that is to be renamed to its place, and return what its signature will be there.

    It is dated a little back: an edit by hand within the same tick of the kernel's clock would otherwise
    keep the date, and perhaps the size, and nobody would see it. Its data are on the disk before its name
    is: after a power failure the old value or the new one stands there, never an empty file.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(fd, data)
        now = time.time_ns() - PAST
        os.utime(fd, ns=(now, now))
        os.fdatasync(fd)
        return signature_of(os.fstat(fd))
    finally:
        os.close(fd)


def write_note(path: Path, text: str, temporary: Path) -> None:
    """Replace a small file of the store's own at once."""
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(fd, text.encode())
    finally:
        os.close(fd)
    os.rename(temporary, path)  # noqa: PTH104  half of pathlib's time; thousands of these at a first look


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
