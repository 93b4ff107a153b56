"""A command in a container, as a check: its exit code, and the first of its words."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from pod_runner.container.process import Stdio
from pod_runner.container.spec import ContainerError
from pod_runner.supervisor.checks import ANSWER_LIMIT, Done
from pod_runner.supervisor.loop import Loop

Execute = Callable[[Stdio], int]  # starts the command and returns its pid, a child of ours


class Command:
    """A command that runs; success is exit code 0. It is killed after `timeout` seconds."""

    def __init__(self, loop: Loop, execute: Execute, timeout: float, done: Done) -> None:
        self._loop, self._done = loop, done
        self._is_told = False
        self._said = bytearray()
        self._pid = 0
        self._reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._timer = loop.after(timeout, lambda: self._end(False, f"command timed out after {timeout:g} s"))
        try:
            self._pid = execute(Stdio(null, writer, writer))
        except ContainerError as error:
            loop.after(0, lambda said=str(error): self._end(False, said))  # type: ignore[misc]  # bound now
        else:
            loop.on_exit(self._pid, self._exited)
            loop.watch(self._reader, self._read)
        finally:
            os.close(writer)
            os.close(null)

    def cancel(self) -> None:
        """Kill it, and tell nobody."""
        self._timer.cancel()
        self._is_told = True
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = 0
        self._close()

    def _exited(self, status: int) -> None:
        self._pid = 0
        if self._reader >= 0:
            self._read()
        code = os.waitstatus_to_exitcode(status)
        said = self._said.decode("utf-8", "replace").strip()
        self._end(code == 0, said or f"command exited with {code if code >= 0 else 128 - code}")

    def _read(self) -> None:
        """Read what it says, and forget what is too much."""
        try:
            data = os.read(self._reader, ANSWER_LIMIT)
        except BlockingIOError:
            return
        self._said += data[: ANSWER_LIMIT - len(self._said)]
        if not data:
            self._loop.forget(self._reader)

    def _end(self, is_good: bool, message: str) -> None:
        if not self._is_told:
            self.cancel()
            self._done(is_good, message)

    def _close(self) -> None:
        if self._reader >= 0:
            self._loop.forget(self._reader)
            os.close(self._reader)
            self._reader = -1
