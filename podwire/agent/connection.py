"""One caller's bytes and descriptors, until the request is whole. Never blocks, never leaks a descriptor."""

from __future__ import annotations

import os
import socket
import struct
import time

from podwire.agent.protocol import (
    HEADER,
    ProtocolError,
    Reply,
    Request,
    decode_request,
    encode_reply,
    read_header,
)

DESCRIPTORS = 2  # the caller's network namespace, the container's
DESCRIPTOR_LIMIT = 253  # SCM_MAX_FD: what one message can carry; taken in order to close what is too much
READ_SIZE = 65536  # bytes
WRITE_TIMEOUT = 10.0  # seconds for a caller to take its answer

_CREDENTIALS = struct.Struct("=iII")  # ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_CONTROL_SIZE = socket.CMSG_SPACE(DESCRIPTOR_LIMIT * 4)


class Connection:
    """A caller. `request` is what it wants, once `read` has said True."""

    def __init__(self, caller: socket.socket) -> None:
        self.caller = caller
        self.since = time.monotonic()
        self.descriptors: list[int] = []
        self._data = bytearray()
        self._wanted: int | None = None

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self.caller.fileno()

    @property
    def is_silent(self) -> bool:
        """Tell whether not a byte has come: somebody only looked whether an agent is here."""
        return not self._data

    def peer_uid(self) -> int:
        """Return the caller's user."""
        raw = self.caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(raw)[1])

    def read(self) -> bool:
        """Take what has arrived; return True when the request is whole.

        Raises:
            ProtocolError: it is none, or the caller has gone.
        """
        while True:
            try:
                part = self._receive()
            except BlockingIOError:  # nothing more for now
                return False
            except OSError as error:
                raise ProtocolError(str(error)) from error
            if not part:
                raise ProtocolError("the caller went away")
            self._data += part
            if self._is_whole():
                return True

    def request(self) -> Request:
        """Return the request. Raises ProtocolError if the body is none."""
        return decode_request(bytes(self._data[HEADER.size :]))

    def answer(self, reply: Reply, *, timeout: float = WRITE_TIMEOUT) -> bool:
        """Send an answer and hang up; tell whether the caller took it. `timeout` in seconds, 0: not to wait.

        The descriptors stay: a thread may still be at work with them.
        """
        try:
            self.caller.settimeout(timeout)
            self.caller.sendall(encode_reply(reply))
        except OSError:  # it went away, or does not read
            return False
        finally:
            self.caller.close()
        return True

    def close(self) -> None:
        """Close the socket and every descriptor that came by it."""
        self.caller.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _receive(self) -> bytes:
        data, control, flags, _ = self.caller.recvmsg(READ_SIZE, _CONTROL_SIZE, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                whole = len(content) - len(content) % 4
                self.descriptors += struct.unpack(f"={whole // 4}i", content[:whole])
        while len(self.descriptors) > DESCRIPTORS:
            os.close(self.descriptors.pop())
        if flags & socket.MSG_CTRUNC:  # this process may open no more: what is missing must not be guessed
            raise ProtocolError("not every descriptor could be taken")
        return data

    def _is_whole(self) -> bool:
        if self._wanted is None and len(self._data) >= HEADER.size:
            self._wanted = HEADER.size + read_header(bytes(self._data[: HEADER.size]))
        if self._wanted is None or len(self._data) < self._wanted:
            return False
        if len(self._data) > self._wanted:
            raise ProtocolError("bytes behind the end of a request")
        return True
