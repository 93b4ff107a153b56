"""Of whom a process is the parent, and when it ends itself (prctl(2))."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36  # linux/prctl.h
NAME = b"podwire-pod"

_libc = ctypes.CDLL(None, use_errno=True)


def become_reaper() -> None:
    """Be the parent of what containers leave behind."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def be_known() -> None:
    """Have a name by which processes are told apart."""
    _libc.prctl(PR_SET_NAME, NAME, 0, 0, 0)


def die_with(parent: int) -> None:
    """End when the parent does, also if it has already."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
