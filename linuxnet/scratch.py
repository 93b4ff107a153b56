"""A network namespace without a name, for looking at what a kernel can do."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

from linuxnet.errors import KernelError
from linuxnet.netns import CLONE_NEWNET, OWN_NETNS

_libc = ctypes.CDLL(None, use_errno=True)


def open_scratch_netns() -> int:
    """Make a namespace and return its descriptor; it is gone when that is closed.

    A thread of its own leaves the host's namespace and ends: unshare(2) moves the calling thread only.

    Raises:
        KernelError: it may not be made (CAP_SYS_ADMIN is missing).
    """
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_open_new).result()


def _open_new() -> int:
    if _libc.unshare(CLONE_NEWNET) != 0:
        raise KernelError(ctypes.get_errno(), "make a network namespace")
    return os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
