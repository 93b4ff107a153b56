"""A supervisor's life: take the folder's lock, read the order, and go on until the pod has ended.

The agent has them forked (`spawner`); `python -m pod_runner.supervisor FOLDER` runs one in the foreground.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from pydantic import ValidationError

from pod_runner.supervisor.lock import take
from pod_runner.supervisor.order import ORDER, read_order
from pod_runner.supervisor.supervision import Supervision

PR_SET_CHILD_SUBREAPER, PR_SET_NAME = 36, 15  # linux/prctl.h
SAID = "supervisor.log"  # what this process says on stderr
ENDED, NOT_NEEDED, BAD_ORDER = 0, 0, 2  # exit codes


def supervise(folder: Path) -> int:
    """Supervise a pod until its end and return an exit code; another supervisor is left alone."""
    lock = take(folder)
    if lock is None:
        return NOT_NEEDED
    _become_reaper()
    os.umask(0o022)  # whoever a container runs as reads its volumes; what is ours alone says so
    try:
        order = read_order((folder / ORDER).read_text())
        supervision = Supervision(folder, order)
    except (OSError, ValueError, TypeError, KeyError, AssertionError, ValidationError) as error:
        os.write(2, f"{folder / ORDER} is no order: {error}\n".encode())
        return BAD_ORDER
    supervision.run(lambda: os.close(lock))
    return ENDED


def detach(folder: Path) -> None:
    """Let go of the caller's terminal and folder; what is said goes into a file beside the order."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    said = os.open(folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for source, target in ((null, 0), (null, 1), (said, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(said)


def _become_reaper() -> None:
    """Be the parent of what containers leave behind, and be known by a name (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NAME, b"podwire-pod", 0, 0, 0)
