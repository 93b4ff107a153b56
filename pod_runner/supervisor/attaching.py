"""Somebody who is attached to a container: what it writes goes to them, what they write goes to it.

The descriptors are pipes or sockets of theirs and do not block. Who does not read what comes is detached once
a buffer is full: a container never waits for a person.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pod_runner.supervisor.logs import STDERR
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.streams import READ_AT_ONCE, Streams

BUFFER_LIMIT = 1 << 20  # bytes


class Flow:
    """Bytes on their way to one descriptor that does not block; `failed` is called when nobody takes them."""

    def __init__(self, loop: Loop, descriptor: int, failed: Callable[[], None]) -> None:
        self.waiting = bytearray()
        self.drained: Callable[[], None] | None = None  # called once, when nothing waits any more
        self._loop, self._failed = loop, failed
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def push(self, data: bytes) -> None:
        """Write, now or as soon as it can be taken."""
        if self._descriptor < 0:
            return
        self.waiting += data
        if len(self.waiting) > BUFFER_LIMIT:
            self._failed()  # they do not read
        else:
            self._flush()

    def close(self) -> None:
        """Write what can be written now, and close."""
        if self._descriptor >= 0:
            self._loop.forget(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _flush(self) -> None:
        try:
            while self.waiting:
                del self.waiting[: os.write(self._descriptor, self.waiting)]
        except BlockingIOError:
            self._loop.watch(self._descriptor, self._flush, writable=True)
            return
        except OSError:  # they have gone: EPIPE, ECONNRESET
            self._failed()
            return
        self._loop.forget(self._descriptor)
        drained, self.drained = self.drained, None
        if drained is not None:
            drained()


class Attached:
    """One who is attached, by stdin, stdout and stderr of theirs."""

    def __init__(
        self, loop: Loop, stdio: tuple[int, int, int], streams: Streams, detached: Callable[[], None]
    ) -> None:
        self._loop, self._streams, self._detached = loop, streams, detached
        self._stdin = stdio[0]
        os.set_blocking(self._stdin, False)
        self._out, self._err = Flow(loop, stdio[1], detached), Flow(loop, stdio[2], detached)
        self._in: Flow | None = None
        if streams.input >= 0:
            self._in = Flow(loop, os.dup(streams.input), self._end_input)
        loop.watch(self._stdin, self._read)

    def write(self, stream: str, data: bytes) -> None:
        """Pass on what the container wrote."""
        (self._err if stream == STDERR else self._out).push(data)

    def close(self) -> None:
        """Let go of all of theirs."""
        self._end_input()
        self._out.close()
        self._err.close()

    def _read(self) -> None:
        if self._in is not None and len(self._in.waiting) > READ_AT_ONCE:
            self._loop.forget(self._stdin)  # the container does not read: they wait
            self._in.drained = self._resume
            return
        try:
            data = os.read(self._stdin, READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:  # ECONNRESET: as good as the end
            data = b""
        if not data:
            self._end_input()
            self._streams.input_ended()  # our duplicate is open until all that waits was written
        elif self._in is not None:
            self._in.push(data)

    def _resume(self) -> None:
        if self._stdin >= 0:
            self._loop.watch(self._stdin, self._read)

    def _end_input(self) -> None:
        if self._stdin >= 0:
            self._loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
        if self._in is not None:
            flow, self._in = self._in, None
            if flow.waiting:
                flow.drained = flow.close
            else:
                flow.close()
