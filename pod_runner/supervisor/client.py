"""Asking a supervisor over its control socket: what the node's agent and the command line call.

Each function takes the socket's path (`<pod's folder>/control.sock`). A supervisor that is not there, or that
refuses, is a `ControlError` with a sentence.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pod_runner.supervisor.lines import BadLine, JsonObject, Lines

ANSWER_IN = 10.0  # seconds; a supervisor answers at once unless the machine is very busy


class ControlError(Exception):
    """A supervisor could not be asked, or it refused: what, and why."""


@dataclass
class Running:
    """A process that `execute` began, or an attached container: wait for its end, or close to end it."""

    pid: int
    _lines: Lines

    def fileno(self) -> int:
        """Return what becomes readable when it has ended."""
        return self._lines.fileno()

    def wait(self) -> int:
        """Wait for its end and return the exit code, 128 + N if signal N ended it."""
        self._lines.connection.settimeout(None)
        return _number(_receive(self._lines), "exit")

    def resize(self, rows: int, columns: int) -> None:
        """Tell an attached container's terminal its new size."""
        self._lines.send({"rows": rows, "columns": columns})

    def close(self) -> None:
        """Hang up: a process that still runs is killed, an attached container is left alone."""
        self._lines.close()


def status(path: Path) -> JsonObject:
    """Return the pod's status, Kubernetes' PodStatus."""
    return _ask_once(path, {"ask": "status"})


def stats(path: Path) -> JsonObject:
    """Return usage: {"containers": {NAME: {...}}, "pod": {...}, "network": {...}}; see `measuring`."""
    return _ask_once(path, {"ask": "stats"})


def watch(path: Path, deadline: float | None = None) -> Iterator[JsonObject]:
    """Yield the status now and after each change, until the supervisor ends, or the deadline (monotonic)."""
    with _asked(path, {"ask": "watch"}) as lines:
        while (body := _receive_until(lines, deadline)) is not None:
            yield body


def stop(path: Path, grace: float | None = None) -> JsonObject:
    """Stop the pod and wait until it has gone; return its last status.

    `grace` in seconds; None: the pod's own terminationGracePeriodSeconds. Asked again with less, it hurries.
    """
    with _asked(path, {"ask": "stop", "grace": grace}) as lines:
        lines.connection.settimeout(None)
        return _receive(lines)


def send_signal(path: Path, container: str, number: int) -> None:
    """Send a signal to a container's process 1."""
    _ask_once(path, {"ask": "signal", "container": container, "signal": number})


def refresh(path: Path) -> None:
    """Have the order read again: ConfigMaps have changed."""
    _ask_once(path, {"ask": "refresh"})


def execute(
    path: Path,
    container: str,
    argv: Sequence[str],
    stdio: Sequence[int],
    *,
    tty: bool = False,
    env: Mapping[str, str] | None = None,
) -> Running:
    """Run a program in a container. `stdio`: stdin, stdout, stderr; with `tty` a pty's slave, once."""
    body: JsonObject = {
        "ask": "exec", "container": container, "argv": list(argv), "tty": tty, "env": dict(env or {}),
    }  # fmt: skip
    lines = _connected(path)
    return _running(lines, body, stdio)


def attach(path: Path, container: str, stdio: Sequence[int]) -> Running:
    """Attach to a container's own streams.

    `stdio`: stdin, stdout, stderr, ends of pipes or sockets of the caller's that the supervisor may set to
    non-blocking: never a terminal itself. stdin comes from there, output goes there too, from now on.
    """
    return _running(_connected(path), {"ask": "attach", "container": container}, stdio)


def forward(path: Path, port: int) -> socket.socket:
    """Return a connection to a TCP port on the pod's localhost."""
    with _asked(path, {"ask": "forward", "port": port}) as lines:
        _receive(lines)
        taken = lines.take_descriptors()
        if len(taken) != 1:
            raise ControlError(f"{path}: the supervisor sent {len(taken)} descriptors for a connection")
        return socket.socket(fileno=taken[0])


def _running(lines: Lines, body: JsonObject, stdio: Sequence[int]) -> Running:
    try:
        lines.send(body, stdio)
        return Running(_number(_receive(lines), "pid"), lines)
    except (ControlError, OSError):
        lines.close()
        raise


def _ask_once(path: Path, body: JsonObject) -> JsonObject:
    with _asked(path, body) as lines:
        return _receive(lines)


@contextmanager
def _asked(path: Path, body: JsonObject) -> Iterator[Lines]:
    lines = _connected(path)
    try:
        lines.send(body)
        yield lines
    except OSError as error:
        raise ControlError(f"{path}: the supervisor did not answer: {error}") from error
    finally:
        lines.close()


def _connected(path: Path) -> Lines:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(ANSWER_IN)
    try:
        connect(connection, path)
    except OSError as error:
        connection.close()
        raise ControlError(f"{path}: no supervisor answers: {error.strerror or error}") from error
    return Lines(connection)


def connect(connection: socket.socket, path: Path) -> None:
    """Connect to a path of any length, by its folder's descriptor: sun_path holds 107 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _receive(lines: Lines) -> JsonObject:
    try:
        body = lines.receive()
    except BadLine as error:
        raise ControlError(f"the supervisor said what nobody understands: {error}") from error
    if body is None:
        raise ControlError("the supervisor ended before it answered")
    if "error" in body:
        raise ControlError(str(body["error"]))
    return body


def _receive_until(lines: Lines, deadline: float | None) -> JsonObject | None:
    """Return the next line; None at the end of the conversation, and at the deadline."""
    if (line := lines.take()) is not None:
        return line
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return lines.receive() if select.select([lines], [], [], left)[0] else None


def _number(body: JsonObject, key: str) -> int:
    value = body.get(key)
    if not isinstance(value, int):
        raise ControlError(f"the supervisor answered without {key!r}")
    return value
