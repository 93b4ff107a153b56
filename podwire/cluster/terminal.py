"""Our own terminal, raw for as long as a program inside a pod has it; its size, and that it changes."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Resize = Callable[[int, int], object]  # rows, columns
DETACH = b"\x10\x11"  # Ctrl-P Ctrl-Q, as docker and podman have it


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Hand every key on as it is; what the terminal was comes back at the end, also after an error."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def followed_size(descriptor: int, resize: Resize) -> Iterator[int]:
    """Tell the terminal's size now; give a descriptor that is readable when it has changed (SIGWINCH)."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)  # a handler, so that the byte is written
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    resize(*size_of(descriptor))
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGWINCH, before)
        os.close(reading)
        os.close(writing)


def size_of(descriptor: int) -> tuple[int, int]:
    """Return rows and columns."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def set_size(descriptor: int, rows: int, columns: int) -> None:
    """Set a terminal's size: whoever is in its foreground gets SIGWINCH (ioctl_tty(2))."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class DetachKeys:
    """Finds the keys that end an attachment in what is typed, also where they come one by one."""

    def __init__(self) -> None:
        self._held = b""

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """Return what is to be handed on, and whether the keys were struck."""
        data = self._held + data
        self._held = b""
        before, struck, _ = data.partition(DETACH)
        if not struck and data.endswith(DETACH[:1]):
            before, self._held = data[:-1], DETACH[:1]
        return before, bool(struck)
