"""flock(2) with a deadline.

The reference's host-local takes the lock of a network by flock and waits for ever. We take the same lock,
so that both can work on one network, but give up in time: a runtime that is told "try again later" beats
one that hangs.
"""

from __future__ import annotations

import fcntl
import os
import threading


def take_lock(fd: int, deadline: float) -> bool:
    """Lock an open file exclusively; return False if others held it for `deadline` seconds.

    A blocking flock queues behind the other waiters, which polling would not: under load a poller never
    sees the lock free. But only a signal ends it, and signals are the main thread's. So a thread of its
    own waits, on a duplicate of the descriptor: the lock belongs to the open file that both share, and is
    gone with the last of them. On time the caller's is left; too late the thread's is, which closes it at
    once. A holder that never lets go thus costs one sleeping thread for each who gave up.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:  # somebody holds it
        pass
    waiting = os.dup(fd)
    taken = threading.Event()
    threading.Thread(target=_wait, args=(waiting, taken), name="ipam-lock", daemon=True).start()
    return taken.wait(deadline)


def _wait(fd: int, taken: threading.Event) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        taken.set()
    finally:
        os.close(fd)
