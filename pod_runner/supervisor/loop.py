"""One thread that waits for everything: descriptors, timers, the ends of processes.

A supervisor forks, so it has one thread only. Whatever takes long is done by a forked process (`tasks`).
Children are reaped when SIGCHLD says so, all of them: a supervisor adopts what containers leave behind
(PR_SET_CHILD_SUBREAPER). A process that is no child (an adopted container) is waited for by its pidfd.
"""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Callback = Callable[[], None]


@dataclass(order=True)
class Timer:
    """Something that will be called; `due` by the monotonic clock."""

    due: float
    number: int
    callback: Callback | None = field(compare=False)

    def cancel(self) -> None:
        """Have it not called."""
        self.callback = None


class Loop:
    """Calls what is due, until `stop`. `after_each` is called after each round."""

    def __init__(self) -> None:
        self.after_each: Callback = _nothing
        self._selector = selectors.EpollSelector()
        self._timers: list[Timer] = []
        self._count = 0
        self._children: dict[int, Callable[[int], None]] = {}
        self.strangers: set[int] = set()  # pidfds
        self._is_stopped = False
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.signal(
            signal.SIGCHLD, lambda *_: None
        )  # the wake-up descriptor tells; a handler must be there
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self.watch(self._woken.fileno(), self._reap)

    def watch(self, descriptor: int, callback: Callback, *, writable: bool = False) -> None:
        """Call when a descriptor can be read, or written; again and again. Replaces an earlier watch."""
        events = selectors.EVENT_WRITE if writable else selectors.EVENT_READ
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, callback)
        else:
            self._selector.register(descriptor, events, callback)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no more; before it is closed."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call once, so many seconds from now."""
        self._count += 1
        timer = Timer(time.monotonic() + seconds, self._count, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def on_exit(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call with the wait status (wait(2)) when a child has ended."""
        self._children[pid] = callback

    def on_stranger_exit(self, pid: int, callback: Callback) -> None:
        """Call when a process that is no child has ended. Raises ProcessLookupError if there is none now."""
        pidfd = os.pidfd_open(pid)

        def ended() -> None:
            self.forget(pidfd)
            self.strangers.discard(pidfd)
            os.close(pidfd)
            callback()

        self.strangers.add(pidfd)
        self.watch(pidfd, ended)

    @property
    def has_timers(self) -> bool:
        """Tell whether something will be called by itself."""
        return any(one.callback is not None for one in self._timers)

    def ended(self, pid: int, status: int) -> None:
        """Call whoever waits for a child; somebody else may have reaped it."""
        callback = self._children.pop(pid, None)
        if callback is not None:
            callback(status)

    def stop(self) -> None:
        """End `run` after this round."""
        self._is_stopped = True

    def run(self) -> None:
        """Wait and call, until `stop`."""
        while not self._is_stopped:
            for key, _ in self._selector.select(self._next_due()):
                if self._selector.get_map().get(key.fd) is key:  # no earlier callback of this round closed it
                    key.data()
            self._call_due()
            self.after_each()

    def close(self) -> None:
        """Give descriptors back."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _next_due(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].due - time.monotonic()) if self._timers else None

    def _call_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].due <= now:
            callback = heapq.heappop(self._timers).callback
            if callback is not None:
                callback()

    def _reap(self) -> None:
        """Take every child that has ended; nobody asks for those that containers left behind."""
        try:
            self._woken.recv(4096)
        except BlockingIOError:  # another round took the bytes
            return
        while (ended := _next_ended()) is not None:
            self.ended(*ended)


def _next_ended() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:  # no children at all
        return None
    return (pid, status) if pid else None


def _nothing() -> None:
    """Do nothing."""
