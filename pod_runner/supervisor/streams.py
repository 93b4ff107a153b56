"""A container's standard streams: what it writes goes to its log and to whoever is attached.

Output goes through named pipes in the pod's folder. The container's ends are opened for reading and
writing, so it does not notice that its supervisor was killed (no SIGPIPE, no end of file); it only waits
once the pipe is full, until the next supervisor reads on. A terminal has no name by which another process
could take it over: a container with a terminal gets SIGHUP when its supervisor is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable
from pathlib import Path

from pod_runner.container.process import Stdio
from pod_runner.manifests.container import Container
from pod_runner.supervisor.logs import STDERR, STDOUT
from pod_runner.supervisor.loop import Loop

READ_AT_ONCE = 1 << 16  # bytes; what a pipe holds (pipe(7))
LAST_WORDS = 1 << 20  # bytes read after the end, at most: what it left behind may write for ever
Sink = Callable[[str, bytes], None]


class Streams:
    """The streams of one run; `sink` gets the name of a stream and what was read.

    `owner`: uid and gid of the container's user, as the node calls them.
    """

    def __init__(
        self, loop: Loop, folder: Path, options: Container, owner: tuple[int, int], sink: Sink
    ) -> None:
        self.input = -1  # where to write what the container shall read; -1: nowhere
        self._loop, self._folder, self._options, self._sink = loop, folder, options, sink
        self._owner = owner
        self._outputs: dict[int, str] = {}

    @property
    def keepable(self) -> list[int] | None:
        """Return what tells of output; None where only this process can go on: a terminal, an input."""
        return None if self._options.tty or self._options.stdin else list(self._outputs)

    def open(self) -> Stdio:
        """Make a run's streams and listen; return the container's ends, which the caller closes."""
        self.close()
        return self._open_terminal() if self._options.tty else self._open_pipes()

    def adopt(self) -> None:
        """Listen again to a container that runs: its pipes have names. A terminal has none."""
        if self._options.tty or not self._folder.exists():
            return
        for name in (STDOUT, STDERR):
            self._listen(_open(self._fifo(name), os.O_RDWR | os.O_NONBLOCK), name)
        if self._options.stdin:
            self.input = _open(self._fifo("stdin"), os.O_RDWR | os.O_NONBLOCK)

    def drain(self) -> None:
        """Read what is left after the container's end."""
        for descriptor, name in list(self._outputs.items()):
            left = LAST_WORDS
            while left > 0 and (data := _read(descriptor)):
                self._sink(name, data)
                left -= len(data)

    def input_ended(self) -> None:
        """Let the container read the end of its input, where `stdinOnce` says that there is one."""
        if self._options.stdin_once and not self._options.tty:
            self.close_input()

    def close_input(self) -> None:
        """Close what the container reads from."""
        if self.input >= 0:
            os.close(self.input)
            self.input = -1

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; without a terminal nothing happens."""
        if self._options.tty and self.input >= 0:
            resize(self.input, rows, columns)

    def close(self) -> None:
        """Close our ends."""
        self.close_input()
        for descriptor in self._outputs:
            self._loop.forget(descriptor)
            os.close(descriptor)
        self._outputs.clear()

    def _open_terminal(self) -> Stdio:
        master, slave = pty.openpty()
        os.fchown(slave, *self._owner)
        os.set_blocking(master, False)
        self.input = fcntl.fcntl(master, fcntl.F_DUPFD_CLOEXEC, 0)
        self._listen(master, STDOUT)
        return Stdio(slave, slave, slave)

    def _open_pipes(self) -> Stdio:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ends = [self._make(name) for name in (STDOUT, STDERR)]
        for name in (STDOUT, STDERR):
            self._listen(_open(self._fifo(name), os.O_RDWR | os.O_NONBLOCK), name)
        if not self._options.stdin:
            return Stdio(_open(Path(os.devnull), os.O_RDONLY), *ends)
        self._fifo("stdin").unlink(missing_ok=True)  # what an earlier run did not read is not for this one
        stdin = self._make("stdin")
        self.input = _open(self._fifo("stdin"), os.O_WRONLY | os.O_NONBLOCK)
        if self._options.stdin_once:  # it must see the end when we close ours: no writing end of its own
            reading = _open(Path(f"/proc/self/fd/{stdin}"), os.O_RDONLY)
            os.close(stdin)
            stdin = reading
        return Stdio(stdin, *ends)

    def _make(self, name: str) -> int:
        """Make a pipe that only the container's user may open again (/dev/stdout), and open it."""
        path = self._fifo(name)
        if not path.is_fifo():
            os.mkfifo(path, 0o600)
        descriptor = _open(path, os.O_RDWR)
        os.fchown(descriptor, *self._owner)
        return descriptor

    def _fifo(self, name: str) -> Path:
        return self._folder / name

    def _listen(self, descriptor: int, name: str) -> None:
        self._outputs[descriptor] = name

        def read() -> None:
            if data := _read(descriptor):
                self._sink(name, data)
            elif data == b"":  # a terminal that nobody has open any more
                self._loop.forget(descriptor)

        self._loop.watch(descriptor, read)


def close_all(stdio: Stdio) -> None:
    """Close a run's ends, each once."""
    for descriptor in {stdio.stdin, stdio.stdout, stdio.stderr}:
        os.close(descriptor)


def resize(terminal: int, rows: int, columns: int) -> None:
    """Set a terminal's size (ioctl_tty(2))."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))


def _read(descriptor: int) -> bytes | None:
    """Return what is there, None for nothing now, b"" at the end."""
    try:
        return os.read(descriptor, READ_AT_ONCE)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno != errno.EIO:  # a pty's master whose slaves are closed says so
            raise
        return b""


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC)
