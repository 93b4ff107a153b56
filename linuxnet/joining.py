"""Namespaces of all kinds, joined or left for good: by a process that was forked for that alone.

`netns.inside` moves one thread and leads it back. There is no way back from here: setns(2) into a mount
namespace wants a process of one thread, and a pid namespace is its children's, never its own.
"""

from __future__ import annotations

import ctypes
import os
import signal

from linuxnet.errors import KernelError

# linux/sched.h
MOUNT, UTS, IPC, PID, NETWORK = 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
USER = 0x10000000
ALL = MOUNT | UTS | IPC | PID | NETWORK  # all that a machine inside the machine has of its own
_OWN_USER = "/proc/self/ns/user"
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


def join(pid: int, kinds: int = ALL) -> None:
    """Join namespaces of a process; of its pid namespace only children that are forked from now on.

    Raises:
        KernelError: it has gone, or we may not.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        raise KernelError(error.errno or 0, f"join the namespaces of process {pid}") from error
    try:
        if _libc.setns(descriptor, kinds) != 0:
            raise KernelError(ctypes.get_errno(), f"join the namespaces of process {pid}")
    finally:
        os.close(descriptor)


def to_reach(pid: int) -> int:
    """Return the kinds of namespaces to join to be where a process is: its user namespace, if it is not ours.

    Nobody may join their own (setns(2)), and only there an ordinary user may join the others.

    Raises:
        KernelError: it has gone, or we may not look.
    """
    try:
        is_ours = os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat(_OWN_USER).st_ino  # noqa: PTH116
    except OSError as error:
        raise KernelError(error.errno or 0, f"look at the namespaces of process {pid}") from error
    return ALL if is_ours else ALL | USER


def leave(kinds: int = ALL) -> None:
    """Leave namespaces for new ones; the first child is process 1 of a new pid namespace.

    Raises:
        KernelError: they cannot be made (CAP_SYS_ADMIN is missing, or there are too many).
    """
    if _libc.unshare(kinds) != 0:
        raise KernelError(ctypes.get_errno(), "make namespaces")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which forked it, ends (prctl(2))."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)
