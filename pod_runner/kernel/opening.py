"""Opening a path below a folder so that no link, however it changes meanwhile, leads out (openat2(2))."""

from __future__ import annotations

import ctypes
import os
import struct
from errno import EAGAIN, EINVAL

SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 2, 8, 0x10  # linux/openat2.h
_HOW = struct.Struct("=3Q")  # struct open_how: flags, mode, resolve

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_in_root(root: int, path: str, flags: int) -> int:
    """Open a path as if `root`, a folder's descriptor, were `/`. Raises OSError."""
    return _openat2(root, path.lstrip("/") or ".", flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open a path below a folder; one that leads out of it is refused (EXDEV). Raises OSError."""
    return _openat2(folder, path or ".", flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)


def _openat2(folder: int, path: str, flags: int, resolve: int) -> int:
    if "\0" in path:
        raise OSError(EINVAL, os.strerror(EINVAL), path)
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    name = ctypes.c_char_p(os.fsencode(path))
    words = (ctypes.c_long(SYS_OPENAT2), ctypes.c_int(folder), name, ctypes.c_char_p(how))
    while (found := int(_libc.syscall(*words, ctypes.c_size_t(_HOW.size)))) < 0:
        number = ctypes.get_errno()
        if number != EAGAIN:  # a rename while `..` was followed: look again
            raise OSError(number, os.strerror(number), path)
    return found
