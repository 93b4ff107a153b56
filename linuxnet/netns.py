"""Network namespaces: open, enter, compare.

A namespace is a socket you hold, not a mood the process is in. A socket belongs for good to the
namespace its thread was in when it was made, so a thread steps in (20 us), opens what it needs, steps
out, and from then on talks to the container through that socket. setns(2) moves the calling thread only;
a Python thread that dies inside takes nobody with it, but one that goes on inside would act on the wrong
machine without noticing: `inside` is the only way in, and it always leads out. /proc/sys/net is looked
up in the reading thread's namespace, so sysctls are the one thing that is done inside.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from linuxnet.errors import KernelError

CLONE_NEWNET = 0x40000000  # linux/sched.h
NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
OWN_NETNS = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)


def open_netns(path: str) -> int:
    """Open a network namespace and return its descriptor.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        KernelError: what is there is no network namespace.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KernelError(error.errno or 0, f"open network namespace {path}") from error
    if not _is_netns(descriptor):
        os.close(descriptor)
        raise KernelError(0, f"open network namespace {path}", "it is not a network namespace")
    return descriptor


def adopt_netns(descriptor: int, path: str) -> int:
    """Return a duplicate of a namespace's descriptor that somebody else opened at `path`.

    Raises:
        KernelError: it is no network namespace.
    """
    if not _is_netns(descriptor):
        raise KernelError(0, f"open network namespace {path}", "it is not a network namespace")
    return os.dup(descriptor)


def is_own_netns(descriptor: int) -> bool:
    """Tell whether a namespace is the one the calling thread is in."""
    return is_same_netns(descriptor, OWN_NETNS)


def is_same_netns(descriptor: int, path: str) -> bool:
    """Tell whether what is at a path is the namespace of a descriptor."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116
    except OSError:  # nothing there, or nothing one may look at
        return False


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Move the calling thread into a namespace, and back whatever happens."""
    outside = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(descriptor)
        try:
            yield
        finally:
            _setns(outside)
    finally:
        os.close(outside)


def _is_netns(descriptor: int) -> bool:
    """Ask the descriptor for its namespace's type: only a namespace answers NS_GET_NSTYPE (ioctl_ns(2))."""
    try:
        return fcntl.ioctl(descriptor, NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:  # ENOTTY: a regular file
        return False


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise KernelError(ctypes.get_errno(), "setns into a network namespace")
