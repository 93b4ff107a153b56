"""The control socket: who may ask, and how a conversation goes. What is answered is in `answering`.

One request a connection. The peer must be root or the supervisor's own user (SO_PEERCRED, unix(7)). Nobody
can hold the supervisor up: a peer that does not read is hung up on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from pod_runner.supervisor.lines import BadLine, JsonObject, Lines
from pod_runner.supervisor.loop import Loop
from pod_runner.supervisor.order import SOCKET

BACKLOG = 64
MOST_CONVERSATIONS = 256  # at once; a supervisor has 1,024 descriptors at least
UCRED = struct.Struct("iII")  # pid, uid, gid: struct ucred (unix(7))


class Conversation:
    """One connection. `on_hang_up` is called when the peer has gone, or was hung up on."""

    def __init__(
        self, loop: Loop, connection: socket.socket, ask: Callable[[Conversation, JsonObject], None]
    ) -> None:
        connection.setblocking(False)
        self.lines = Lines(connection)
        self.on_hang_up: Callable[[], None] | None = None
        self.on_line: Callable[[JsonObject], None] | None = None  # of what comes after the request
        self.is_open = True
        self._loop, self._ask = loop, ask
        loop.watch(connection.fileno(), self._read)

    def say(self, body: JsonObject, descriptors: Sequence[int] = ()) -> None:
        """Send a line; a peer that does not take it is hung up on."""
        if self.is_open:
            try:
                self.lines.send(body, descriptors)
            except OSError:  # it has gone, or does not read
                self.close()

    def close(self) -> None:
        """Hang up."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.forget(self.lines.fileno())
        self.lines.close()
        hung_up, self.on_hang_up = self.on_hang_up, None
        if hung_up is not None:
            hung_up()

    def _read(self) -> None:
        try:
            self.lines.fill()
            while self.is_open and (body := self.lines.take()) is not None:
                if self.on_line is not None:
                    self.on_line(body)
                else:
                    self._ask(self, body)
        except BlockingIOError:
            return
        except (BadLine, OSError) as error:
            self.say({"error": str(error)})
            self.close()
            return
        if self.lines.is_at_end:
            self.close()


class ControlSocket:
    """Answers those who come to a listener."""

    def __init__(
        self, loop: Loop, listener: socket.socket, ask: Callable[[Conversation, JsonObject], None]
    ) -> None:
        self._loop, self._ask = loop, ask
        self._open: set[Conversation] = set()
        self._socket = listener
        loop.watch(listener.fileno(), self._accept)

    @property
    def conversations(self) -> list[Conversation]:
        """Return those that go on."""
        self._open = {one for one in self._open if one.is_open}
        return list(self._open)

    def go_on(self, descriptor: int) -> Conversation:
        """Go on with a conversation that another process has had."""
        made = Conversation(self._loop, socket.socket(fileno=descriptor), self._ask)
        self._open.add(made)
        return made

    def stop_listening(self) -> None:
        """Take nobody new; those who are connected may be told something still."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def close(self) -> None:
        """Hang up."""
        for conversation in list(self._open):
            conversation.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # it has gone again, or there are no descriptors: it stays in the backlog
            return
        if not _may_ask(connection) or len(self.conversations) >= MOST_CONVERSATIONS:
            connection.close()
        else:
            self._open.add(Conversation(self._loop, connection, self._ask))


def listen(folder: str | Path) -> socket.socket:
    """Listen in a pod's folder. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    unlink(folder)  # an earlier supervisor's
    _bind(listener, folder)
    listener.listen(BACKLOG)
    return listener


def unlink(folder: str | Path) -> None:
    """Let nobody find the socket any more."""
    with contextlib.suppress(OSError):  # there is none
        os.unlink(f"{folder}/{SOCKET}")  # noqa: PTH108  # a keeper has no use for a Path, 4 kB each page


def _may_ask(connection: socket.socket) -> bool:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    return UCRED.unpack(data)[1] in (0, os.geteuid())


def _bind(listener: socket.socket, path: str | Path) -> None:
    """Bind with a path of any length (sun_path holds 107 bytes); only the owner may connect."""
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    finally:
        os.umask(before)
        os.close(folder)
