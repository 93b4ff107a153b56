"""A conversation over a Unix socket: a JSON object a line, with descriptors beside it (SCM_RIGHTS, unix(7)).

Both ends of the control socket and of the spawner's use it. A line that is too long, no JSON or no object
is a `BadLine`: it ends the conversation, and nothing else.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence

JsonObject = dict[str, object]

LONGEST_LINE = 1 << 20  # bytes; an order's argv and environment are below ARG_MAX's usual 2 MiB halves
MOST_DESCRIPTORS = 8  # stdin, stdout, stderr, and some to spare
READ_AT_ONCE = 1 << 16


class BadLine(Exception):
    """What came is no line of this conversation."""


class Lines:
    """One end of a conversation.

    Descriptors come with the first byte of the line that they belong to; they wait in `descriptors` until the
    reader takes them.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.descriptors: list[int] = []
        self._buffer = bytearray()
        self.is_at_end = False

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self.connection.fileno()

    def send(self, body: JsonObject, descriptors: Sequence[int] = ()) -> None:
        """Send a line whole. Raises OSError if nobody listens, or (not blocking) is not quick enough."""
        data = json.dumps(body).encode() + b"\n"
        sent = socket.send_fds(self.connection, [data], list(descriptors)) if descriptors else 0
        if sent < len(data):
            self.connection.sendall(data[sent:])

    def receive(self) -> JsonObject | None:
        """Wait for a line; None at the end of the conversation. Raises BadLine, OSError (TimeoutError)."""
        while (line := self.take()) is None:
            if self.is_at_end:
                return None
            self.fill()
        return line

    def fill(self) -> None:
        """Read what is there; where nothing is, a socket that does not block raises BlockingIOError."""
        size = array.array("i").itemsize * MOST_DESCRIPTORS
        data, ancillary, _, _ = self.connection.recvmsg(
            READ_AT_ONCE, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                self.descriptors += numbers
        self._buffer += data
        self.is_at_end = self.is_at_end or not data
        if len(self._buffer) > LONGEST_LINE and b"\n" not in self._buffer:
            raise BadLine(f"a line of more than {LONGEST_LINE} bytes")

    def take(self) -> JsonObject | None:
        """Return the next whole line of what was read, None if there is none yet."""
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = bytearray(rest)
        try:
            body = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"a line that is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise BadLine("a line that is no JSON object")
        return body

    def take_descriptors(self) -> tuple[int, ...]:
        """Hand over the descriptors that came; whoever takes them closes them."""
        taken, self.descriptors = tuple(self.descriptors), []
        return taken

    def close(self) -> None:
        """Close the socket, and descriptors that nobody took."""
        for descriptor in self.take_descriptors():
            os.close(descriptor)
        self.connection.close()
