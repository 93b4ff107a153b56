"""Who holds a pod: a process that only waits, and forks a worker whenever there is something to do.

A Python that works writes into the pages that it shares with the spawner, 7 MB of them, and they stay its
own. So what lives as long as the pod does nothing but poll(2): it has the pod's lock, the listening control
socket and the descriptors that the last worker left; containers become its children (subreaper) when a worker
has gone. A worker does all that a supervisor does, and ends when nothing is left to be done (`resting`).
This loop touches little on purpose; what it imports was imported before the fork.
"""

from __future__ import annotations

import array
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from linuxnet.joining import die_with
from pod_runner.supervisor.reaping import bare_fork, become_reaper, finish_fork

ENDED, BAD_ORDER, RESTS, FAILED = 0, 2, 3, 1  # a worker's exit codes; after the first two none is needed
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0  # seconds before another worker where one was killed
MOST_DESCRIPTORS = 253  # in one message: SCM_MAX_FD (unix(7))
MOST_ENDS = 1024  # processes whose end is remembered while a worker is busy
LONGEST_MESSAGE = 1 << 14  # bytes: a number for each container

Work = Callable[["Inheritance"], int]


@dataclass
class Inheritance:
    """What a worker begins with. `ends`: wait statuses (wait(2)) by pid, of children that the keeper reaped.

    `link`: further ends come on it, and what is left goes back. `watchers`: connections whose peers hear of
    each status. `others`: what the keeper waits for.
    """

    listener: socket.socket
    keeper: int = 0
    link: socket.socket | None = None
    ends: dict[int, int] = field(default_factory=dict)
    watchers: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)

    def hear(self) -> list[tuple[int, int]]:
        """Return the ends that the keeper has told of since; they are in `ends`, too."""
        found = []
        with suppress(BlockingIOError):  # that was all
            while self.link is not None and (data := self.link.recv(8, socket.MSG_DONTWAIT)):
                pid, status = array.array("i", data)
                self.ends[pid] = status
                found.append((pid, status))
        return found

    def close_watchers(self) -> None:
        """Close this process's copies."""
        for one in self.watchers:
            os.close(one)
        self.watchers = []

    def leave(self, watchers: list[int], others: list[int], pids: list[int]) -> bool:
        """Hand over what the keeper is to wait for; tell whether it could take it."""
        if self.link is None or len(watchers) + len(others) > MOST_DESCRIPTORS:
            return False
        try:
            data = array.array("i", [len(watchers), *pids]).tobytes()
            socket.send_fds(self.link, [data], watchers + others)
        except OSError:  # too many descriptors are under way: the worker stays
            return False
        return True


class Keeper:
    """Holds one pod. `work` is done in a fork, and returns its exit code."""

    def __init__(self, listener: socket.socket, work: Work) -> None:
        self._has = Inheritance(listener, os.getpid())
        self._work = work
        self._pids: list[int] = []  # whose ends matter while nobody works
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up descriptor tells
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> int:
        """Have workers work until the pod needs none any more; return the last one's exit code."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = self._have_worked()
            if code in (ENDED, BAD_ORDER):
                return code
            if code == RESTS or time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE  # it could work
            if code == RESTS:
                self._rest()
            else:
                self._wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _have_worked(self) -> int:
        """Fork a worker, tell it of children that end, and return its exit code."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with its:
                try:
                    worker = bare_fork()
                except OSError:  # no process to be had now
                    return FAILED
                if worker == 0:
                    self._become_worker(its)
            self._has.close_watchers()  # the worker has them now
            while (code := self._reap(worker, ours)) is None:
                select.select([self._woken], [], [])
            return code if code != RESTS or self._take(ours) else FAILED

    def _become_worker(self, link: socket.socket) -> None:
        """Work and end; never return into the keeper's loop."""
        code = FAILED
        try:
            finish_fork()
            die_with(self._has.keeper)
            become_reaper()  # what it starts is its own; it comes to the keeper when the worker ends
            for one in self._has.others:  # it opens its own
                os.close(one)
            gc.enable()
            self._has.link = link
            code = self._work(self._has)
        finally:
            if code == FAILED:
                traceback.print_exc()
            os._exit(code)

    def _reap(self, worker: int, link: socket.socket) -> int | None:
        """Reap whoever ended, and tell the worker; return its exit code when it has ended itself."""
        code = None
        for pid, status in self._ended():
            if pid == worker:
                code = FAILED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                continue
            self._has.ends[pid] = status
            if len(self._has.ends) > MOST_ENDS:
                del self._has.ends[next(iter(self._has.ends))]
            with suppress(OSError):  # it has just ended: the next one is told
                link.send(array.array("i", (pid, status)).tobytes())
        return code

    def _take(self, link: socket.socket) -> bool:
        """Take over what a worker left; what it did not know of yet is for the next one."""
        flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        try:
            data, descriptors, _, _ = socket.recv_fds(link, LONGEST_MESSAGE, MOST_DESCRIPTORS, flags)
        except OSError:  # it ended with this code, and said nothing
            return False
        if not data:
            return False
        number, *pids = array.array("i", data)
        has = self._has
        for one in has.others:
            os.close(one)
        has.watchers, has.others, self._pids = descriptors[:number], descriptors[number:], pids
        has.ends = {pid: status for pid, status in has.ends.items() if pid in pids}
        return True

    def _rest(self) -> None:
        """Wait until there is something to do: a question, output, the end of a process."""
        has = self._has
        poll = select.poll()
        for one in (has.listener.fileno(), self._woken, *has.watchers, *has.others):
            poll.register(one, select.POLLIN)
        while not has.ends:
            is_needed = False
            for descriptor, event in poll.poll():
                if descriptor == self._woken:
                    self._reap_while_resting()
                elif descriptor in has.watchers and event & select.POLLHUP:
                    poll.unregister(descriptor)  # an agent that was killed: nobody to tell, nothing to do
                    has.watchers.remove(descriptor)
                    os.close(descriptor)
                else:
                    is_needed = True
            if is_needed:
                return

    def _reap_while_resting(self) -> None:
        self._has.ends |= {pid: status for pid, status in self._ended() if pid in self._pids}

    def _ended(self) -> Iterator[tuple[int, int]]:
        """Reap who has ended; yield their pids and wait statuses."""
        with suppress(BlockingIOError):  # there is one byte for many, or none yet
            os.read(self._woken, 4096)
        with suppress(ChildProcessError):  # no children at all
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                yield ended

    def _wait(self, seconds: float) -> None:
        """Let time pass; who ends meanwhile is reaped by the next worker's keeper, this one."""
        select.select([], [], [], seconds)
