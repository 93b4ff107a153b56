"""System calls that a supervisor makes for itself, by ctypes: mounts and mount namespaces."""

from __future__ import annotations

import ctypes
import os

from pod_runner.kernel.numbers import number

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(name: str, *arguments: int | str) -> int:
    """Make a system call; texts are paths. Raises OSError, with the first path."""
    words = [
        ctypes.c_char_p(os.fsencode(one)) if isinstance(one, str) else ctypes.c_long(one) for one in arguments
    ]
    result = int(_libc.syscall(ctypes.c_long(number(name)), *words))
    if result < 0:
        errno = ctypes.get_errno()
        path = next((one for one in arguments if isinstance(one, str) and one), name)
        raise OSError(errno, f"{name}: {os.strerror(errno)}", path)
    return result
