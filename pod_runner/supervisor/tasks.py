"""What takes long is done by a forked process, so that the supervisor answers meanwhile.

A pull, a plugin, a probe by TLS. The process gets nothing but the function and sends back its result, or the
`ContainerError` it ended with; it holds none of the supervisor's descriptors.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from pod_runner.container.spec import ContainerError
from pod_runner.supervisor.descriptors import close_all_but
from pod_runner.supervisor.loop import Loop

T = TypeVar("T")
Done = Callable[[T | ContainerError], None]


class Task(Generic[T]):
    """A function that runs in a process of its own; `done` gets its result, unless it was cancelled."""

    def __init__(self, loop: Loop, work: Callable[[], T], done: Done[T]) -> None:
        self._loop = loop
        self._done: Done[T] | None = done
        self._said = bytearray()
        self._reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writer, True)
        self.pid = os.fork()
        if self.pid == 0:
            _work(work, writer)
        os.close(writer)
        loop.watch(self._reader, self._read)

    def cancel(self) -> None:
        """End the process; nobody is called."""
        if self._done is not None:
            self._done = None
            os.kill(self.pid, signal.SIGKILL)

    def abandon(self) -> None:
        """Let the process go on, and tell nobody."""
        self._done = None

    def _read(self) -> None:
        data = os.read(self._reader, 1 << 16)
        self._said += data
        if data:
            return
        self._loop.forget(self._reader)
        os.close(self._reader)
        if (done := self._done) is not None:
            self._done = None
            done(self._result())

    def _result(self) -> T | ContainerError:
        if not self._said:
            return ContainerError("the process that did it was killed")
        return cast("T | ContainerError", pickle.loads(self._said))  # our own fork wrote it


def _work(work: Callable[[], T], writer: int) -> None:
    """Do it and end, in the child; nothing may return into the supervisor's loop."""
    code = 1
    try:
        gc.disable()  # a collection would write into every page that is shared with the supervisor
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        close_all_but(writer)
        os.setsid()  # a signal to its group reaches it and what it started
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(_outcome(work), pipe)
        code = 0
    finally:
        os._exit(code)


def _outcome(work: Callable[[], T]) -> T | ContainerError:
    try:
        return work()
    except ContainerError as error:
        return ContainerError("\n".join([str(error), *getattr(error, "__notes__", [])]), error.reason)
    except OSError as error:
        return ContainerError(str(error))
