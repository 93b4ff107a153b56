"""Reading what the runtime writes to a plugin's stdin."""

from __future__ import annotations

import errno
import os
import select
import sys

from cni_spec.json_input import SIZE_LIMIT
from cni_spec.request import Verb

PATIENCE = 1000  # milliseconds for a part of VERSION's stdin, which may never come


def read_stdin(verb: str) -> bytes:
    """Return stdin; of one that is too large, a byte more than the limit, which tells that it is.

    VERSION needs none, and says its `cniVersion` where there is one (CNI 1.1.0, VERSION): it waits for no
    terminal, nor for a pipe that its caller forgot.

    Raises:
        OSError: it cannot be read, and the verb needs it.
    """
    if verb == Verb.VERSION:
        return _read_what_comes()
    if sys.stdin is None:  # what Python makes of a stdin that the caller closed
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer.read(SIZE_LIMIT + 1)


def _read_what_comes() -> bytes:
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    parts = []
    try:
        while waiting.poll(PATIENCE) and (part := os.read(0, 1 << 16)):
            parts.append(part)
    except OSError:  # closed, or nothing that can be read
        return b""
    return b"".join(parts)
