"""Forks that share as much memory as they can, and what a process is to those around it (prctl(2)).

`os.fork` runs hooks on both sides (threading, logging, random), which write into 0.6 MB of shared pages: more
than a keeper needs for all the rest. So a keeper comes from libc's fork(2), by a call that keeps the
interpreter's lock. It has one thread, starts no other and draws no random number, so nothing of that matters
to it; a worker makes up for it (`finish_fork`) before it does anything else.
"""

from __future__ import annotations

import ctypes
import os

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36  # linux/prctl.h
NAME = b"podwire-pod"

_libc = ctypes.CDLL(None, use_errno=True)
_fork = ctypes.PyDLL(None, use_errno=True).fork
_after_fork = ctypes.pythonapi.PyOS_AfterFork_Child  # Python/C API, "Operating System Utilities"
_after_fork.restype = None


def bare_fork() -> int:
    """Fork as fork(2) does; of the caller's threads there must be no other. Raises OSError."""
    pid = int(_fork())
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return pid


def finish_fork() -> None:
    """Have done in a child what `os.fork` does: for one that does more than wait."""
    _after_fork()


def become_reaper() -> None:
    """Be the parent of what containers leave behind."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def be_known() -> None:
    """Have a name by which processes are told apart."""
    _libc.prctl(PR_SET_NAME, NAME, 0, 0, 0)
