"""A supervisor's life: take the folder's lock, have workers read the order, until the pod has ended.

The agent has them forked (`spawner`); `python -m pod_runner.supervisor FOLDER` runs one in the foreground.
"""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from pod_runner.supervisor.control import listen, unlink
from pod_runner.supervisor.keeping import BAD_ORDER, ENDED, FAILED, Inheritance, Keeper
from pod_runner.supervisor.lock import free, take
from pod_runner.supervisor.order import ORDER, read_order
from pod_runner.supervisor.reaping import be_known, become_reaper
from pod_runner.supervisor.supervision import Supervision

SAID = "supervisor.log"  # what this process says on stderr
NOT_NEEDED = 0  # an exit code; others are the keeper's


def supervise(folder: str) -> int:
    """Hold a pod until its end and return an exit code; another supervisor is left alone."""
    lock = take(folder)
    if lock is None:
        return NOT_NEEDED
    be_known()
    become_reaper()
    gc.disable()  # a collection would write into every page; workers have theirs again
    os.umask(0o022)  # whoever a container runs as reads its volumes; what is ours alone says so
    try:
        listener = listen(folder)
    except OSError as error:
        os.write(2, f"{folder}: no control socket: {error}\n".encode())
        return FAILED
    code = Keeper(listener, partial(_work, folder, lock)).run()
    if code != ENDED:  # else its last worker let go of the folder, and it may be another's by now
        unlink(folder)
    os.close(lock)
    return code


def _work(name: str, lock: int, inherited: Inheritance) -> int:
    """Do what there is to do for a pod, in a process that ends with it."""
    folder = Path(name)
    try:
        order = read_order((folder / ORDER).read_text())
        supervision = Supervision(folder, order, inherited)
    except (OSError, ValueError, TypeError, KeyError, AssertionError, ValidationError) as error:
        os.write(2, f"{folder / ORDER} is no order: {error}\n".encode())
        return BAD_ORDER
    return supervision.run(partial(_let_go, name, lock))


def _let_go(folder: str, lock: int) -> None:
    """Let others have the folder; the keeper, which has the same lock, ends soon and touches it no more."""
    unlink(folder)
    free(lock)


def detach(folder: str) -> None:
    """Let go of the caller's terminal and folder; what is said goes into a file beside the order."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    said = os.open(f"{folder}/{SAID}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for source, target in ((null, 0), (null, 1), (said, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(said)
