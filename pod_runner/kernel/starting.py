"""Starting a process that makes a program of system calls: the starter by posix_spawn, from a sealed memfd.

posix_spawn(3) shares memory with the child until it executes, so it costs the same however large the
caller is (a fork of a Python of 40 MB copies page tables for 3 ms). What the starter reports comes over a
pipe that execve closes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from pod_runner.kernel import interpreter
from pod_runner.kernel.program import REPORT, REPORT_ERROR, REPORT_PID, REPORT_WAITING, Program

STARTER = Path(__file__).with_name("starter")  # built from starter.c; absent where there was no compiler
REPORT_FD, PROGRAM_FD = 3, 4  # as in starter.c
FIRST_FREE = 32  # descriptors below are for the child to have by number
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_EXEC = 1, 2, 0x10  # linux/memfd.h
# What Python, or who started it, ignores (SIGPIPE), and a program expects to end by
RESET_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


class StartFailure(Exception):
    """A system call of a program was refused: which command it stands for, and the errno."""

    def __init__(self, meaning: str, errno: int) -> None:
        super().__init__(f"{meaning}: {os.strerror(errno)}")
        self.meaning = meaning
        self.errno = errno


def start(
    program: Program, descriptors: Mapping[int, int], on_waiting: Callable[[int], None] | None = None
) -> int:
    """Start a process with these descriptors (its number -> ours); return its pid at the end of its program.

    That is execve, or the pause. The pid is that of the last branch; the process is a child of ours.
    `on_waiting` is called with the pid when the program reports that it waits.

    Raises:
        StartFailure: a call failed; nothing of the process is left.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        pid = _launch(program, {**descriptors, REPORT_FD: writing})
        os.close(writing)
        writing = -1
        return _follow(program, pid, reading, on_waiting)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _launch(program: Program, descriptors: dict[int, int]) -> int:
    binary = starter_binary()
    if binary is None:
        return interpreter.fork(program, descriptors)
    body = os.memfd_create("program", os.MFD_CLOEXEC)
    high: list[int] = []
    try:
        os.write(body, program.compile())
        actions = []
        for target, source in {**descriptors, PROGRAM_FD: body}.items():
            high.append(fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE))
            actions.append((os.POSIX_SPAWN_DUP2, high[-1], target))
        return _spawn(binary, actions)
    finally:
        for one in (body, *high):
            os.close(one)


def _spawn(binary: int, actions: list[tuple[int, int, int]]) -> int:
    try:
        return _spawn_from(binary, actions)
    except OSError as error:
        if error.errno != errno.ETXTBSY:
            raise
    # A container's root holds it open for writing, as its /proc/self/exe: it cannot write, but is in the way
    _sealed_starter.cache_clear()
    os.close(binary)
    fresh = starter_binary()
    assert fresh is not None  # it was there before
    return _spawn_from(fresh, actions)


def _spawn_from(binary: int, actions: list[tuple[int, int, int]]) -> int:
    path = f"/proc/self/fd/{binary}"
    return os.posix_spawn(path, ["pause"], {}, file_actions=actions, setsigmask=(), setsigdef=RESET_SIGNALS)


def _follow(program: Program, pid: int, reading: int, on_waiting: Callable[[int], None] | None) -> int:
    """Read reports until the pipe is closed: by execve, by the pause, or by the end of the process.

    Each branch has a process of its own; who made it reports it, and may do so after its child's reports.
    """
    pids, failure, waiting = {0: pid}, None, -1
    while report := os.read(reading, REPORT.size):
        kind, value, which = REPORT.unpack(report)
        if kind == REPORT_PID:
            pids[which] = value
        elif kind == REPORT_WAITING:
            waiting = which
        elif kind == REPORT_ERROR:
            failure = StartFailure(program.meanings[which] if which >= 0 else "read the program", value)
        if waiting in pids and on_waiting is not None:
            _answer(pids, pids[waiting], on_waiting)
            on_waiting = None
    last = pids.pop(max(pids))
    for one in pids.values():
        os.waitpid(one, 0)
    if failure is not None:
        os.waitpid(last, 0)
        raise failure
    return last


def _answer(pids: dict[int, int], pid: int, on_waiting: Callable[[int], None]) -> None:
    try:
        on_waiting(pid)
    except OSError:  # nobody will let it go on: end it, and say why
        os.kill(pid, signal.SIGKILL)
        for one in pids.values():
            os.waitpid(one, 0)
        raise


def starter_binary() -> int | None:
    """Return a descriptor of the starter in memory that nobody can write to, None where it was not built."""
    return _sealed_starter(os.getpid())  # of each process its own: descriptors get lost on the way


@cache
def _sealed_starter(pid: int) -> int | None:
    try:
        body = STARTER.read_bytes()
    except FileNotFoundError:
        return None
    flags = MFD_CLOEXEC | MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("podwire-starter", flags | MFD_EXEC)
    except OSError:  # EINVAL: before Linux 6.3, where each is executable
        descriptor = os.memfd_create("podwire-starter", flags)
    os.write(descriptor, body)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    kept = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)  # none of the numbers that are given
    os.close(descriptor)
    return kept
