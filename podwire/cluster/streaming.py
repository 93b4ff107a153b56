"""A program's streams inside a pod and ours, joined, with a terminal or without. Its exit code is ours."""

from __future__ import annotations

import os
import pty
from collections.abc import Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

from pod_runner.supervisor import client
from podwire.cluster.pumping import Pump, Way
from podwire.cluster.terminal import DetachKeys, followed_size, raw, set_size, size_of


def execute(socket: Path, container: str, argv: Sequence[str], *, is_interactive: bool) -> int:
    """Run a program in a container with our streams; without `is_interactive` its input is empty."""
    with ExitStack() as stack:
        nothing = stack.enter_context(FileIO(os.devnull))
        stdio = (0 if is_interactive else nothing.fileno(), 1, 2)
        running = client.execute(socket, container, argv, stdio)
        stack.callback(running.close)
        return running.wait()


def execute_in_terminal(socket: Path, container: str, argv: Sequence[str]) -> int:
    """Run a program in a container on a terminal that is ours: raw, of its size, also when that changes."""
    with ExitStack() as stack:
        master, slave = (stack.enter_context(FileIO(one, "r+")) for one in pty.openpty())
        number = master.fileno()
        os.set_blocking(number, False)
        set_size(number, *size_of(0))
        env = {"TERM": os.environ.get("TERM", "xterm")}
        running = client.execute(socket, container, argv, (slave.fileno(),), tty=True, env=env)
        stack.callback(running.close)
        slave.close()
        stack.enter_context(raw(0))
        resized = stack.enter_context(followed_size(0, lambda *size: set_size(number, *size)))
        ways = [Way(0, number), Way(number, 1)]
        return Pump(running, ways, resized, lambda: set_size(number, *size_of(0))).run()


def attach(
    socket: Path, container: str, *, is_interactive: bool, has_terminal: bool, prints: bool = True
) -> int:
    """Join our streams and those of a container's own program; Ctrl-P Ctrl-Q lets go of a terminal.

    `prints`: what it says is ours to print.
    """
    with ExitStack() as stack:
        inputs, outputs, errors = _pipe(stack), _pipe(stack), _pipe(stack)
        theirs = (inputs[0], outputs[1], errors[1])
        running = client.attach(socket, container, [one.fileno() for one in theirs])
        stack.callback(running.close)
        for one in theirs:
            one.close()
        os.set_blocking(inputs[1].fileno(), False)
        nowhere = stack.enter_context(FileIO(os.devnull, "w")).fileno()
        ways = [
            Way(outputs[0].fileno(), 1 if prints else nowhere),
            Way(errors[0].fileno(), 2 if prints else nowhere),
        ]
        if is_interactive:
            keys = DetachKeys() if has_terminal else None
            ways.append(Way(0, inputs[1].fileno(), inputs[1].close, keys))
        if not has_terminal:
            return Pump(running, ways).run()
        stack.enter_context(raw(0))
        resized = stack.enter_context(followed_size(0, running.resize))
        return Pump(running, ways, resized, lambda: running.resize(*size_of(0))).run()


def _pipe(stack: ExitStack) -> tuple[FileIO, FileIO]:
    """Make a pipe; its ends are closed with the stack, and may be before."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    return stack.enter_context(FileIO(reading, "r")), stack.enter_context(FileIO(writing, "w"))
