"""The starter in Python, where no compiler was at hand: a fork that makes a program's calls by ctypes.

It does what starter.c does, slower, and its pause process is as large as its parent. /proc/self/exe is Python
until the container's program runs: install gcc where images are not trusted.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from typing import NoReturn

from pod_runner.kernel import program as wire
from pod_runner.kernel.numbers import number

REPORT_FD = 3
FIRST_FREE = 100  # beyond all numbers that a program gives to its descriptors


class _Refused(Exception):
    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno


def fork(program: wire.Program, descriptors: Mapping[int, int]) -> int:
    """Fork a process that gets these descriptors (its number -> ours) and makes the calls; return its pid."""
    body = program.compile()
    libc = ctypes.CDLL(None, use_errno=True)  # bound here: nothing may be loaded in a container's root
    libc.syscall.restype = ctypes.c_long
    clone = number("clone"), number("clone3")
    if pid := os.fork():
        return pid
    try:
        _arrange(descriptors)
        _Run(libc, clone, body).all()
    finally:
        os._exit(127)


def _arrange(descriptors: Mapping[int, int]) -> None:
    for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    high = {target: os.dup(source) for target, source in descriptors.items()}
    above = max([FIRST_FREE, *high.values()]) + 1
    moved = {target: above + at for at, target in enumerate(high)}
    for target, source in high.items():
        os.dup2(source, moved[target])
    for target, source in moved.items():
        os.dup2(source, target)
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  no Path is needed for a number
        if fd not in descriptors:
            _close_as_execve_does(fd)
    for fd in moved.values():
        os.close(fd)


def _close_as_execve_does(descriptor: int) -> None:
    try:
        if not os.get_inheritable(descriptor):
            os.close(descriptor)
    except OSError:  # EBADF: what the folder was listed by
        return


class _Run:
    """A program while it is made."""

    def __init__(self, libc: ctypes.CDLL, clone: tuple[int, int], body: bytes) -> None:
        self.libc, self.clone = libc, clone
        count, relocations, stays = wire.HEADER.unpack_from(body)
        at = wire.HEADER.size
        self.operations = [
            wire.OPERATION.unpack_from(body, at + index * wire.OPERATION.size) for index in range(count)
        ]
        at += count * wire.OPERATION.size
        self.data = ctypes.create_string_buffer(body[at + 8 * relocations :])
        self.base = ctypes.addressof(self.data)
        for index in range(relocations):
            place = int.from_bytes(body[at + 8 * index : at + 8 * index + 8], "little")
            word = ctypes.c_uint64.from_address(self.base + place)
            word.value += self.base
        self.stays = bool(stays)
        self.registers: dict[int, int] = {}

    def all(self) -> NoReturn:
        """Make all operations; stay if the program says so."""
        at = 0
        while at < len(self.operations):
            call, into, on_error, on_success, *rest = self.operations[at]
            tolerated, kinds, arguments = rest[:4], rest[4:12], rest[12:]
            try:
                result = self._make(call, kinds, arguments)
            except _Refused as error:
                if error.errno not in tolerated and wire.ANY not in tolerated:
                    self._report(wire.REPORT_ERROR, error.errno, at)
                    os._exit(127)
                at += 1 + on_error
                continue
            self.registers[into] = result
            at += 1 + (arguments[0] if call == wire.SKIP else on_success)
        if self.stays:
            _stay()
        os._exit(127)

    def _make(self, call: int, kinds: list[int], arguments: list[int]) -> int:
        values = [self._value(kind, value) for kind, value in zip(kinds, arguments, strict=False)]
        if call == wire.FAIL:
            raise _Refused(values[0])
        if call == wire.SKIP:
            return 0
        if call != wire.CLONE:
            return self._syscall(call, values)
        pid = self._syscall(self.clone[bool(values[1])], values if values[1] else [values[0], 0, 0, 0, 0, 0])
        if pid:
            self._report(wire.REPORT_PID, pid, values[2])
            os._exit(0)
        return 0

    def _value(self, kind: int, value: int) -> int:
        if kind == wire.REGISTER:
            return self.registers.get(value, 0)  # 0: what was to be there failed
        return value + self.base if kind == wire.ADDRESS else value

    def _syscall(self, call: int, values: list[int]) -> int:
        result = int(self.libc.syscall(ctypes.c_long(call), *map(ctypes.c_uint64, values)))
        if result == -1:
            raise _Refused(ctypes.get_errno())
        return result

    def _report(self, kind: int, value: int, index: int) -> None:
        os.write(REPORT_FD, wire.REPORT.pack(kind, value, index))


def _stay() -> NoReturn:
    """Be a pod's pause process (`stay` in starter.c)."""
    awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    os.close(REPORT_FD)
    while signal.sigwait(awaited) == signal.SIGCHLD:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:  # all are reaped
            continue
    os._exit(0)
