"""An answer that goes on for as long as the connection does: one JSON text a line."""

from __future__ import annotations

import http.client
import time

from cluster_store.bell import Bell
from cluster_store.store import StoreUnavailable
from cluster_store.wire import Connection

ANSWER_MAX = 64 << 20  # bytes; 100,000 nodes' records


class Lines:
    """An answer without end, line by line.

    Cuts chunks itself (RFC 9112 section 7.1): http.client, asked for what is there, waits for the head of the
    chunk after it.
    """

    def __init__(self, connection: Connection, response: http.client.HTTPResponse, place: str) -> None:
        self._connection = connection
        self._response = response  # it would close what it is read from when it is forgotten
        self._place = place
        self._raw = bytearray()
        self._text = bytearray()

    def next(self, bell: Bell, until: float) -> bytes | None:
        """Return the next line; None if none came in time, or the bell rang. Raises StoreUnavailable."""
        try:
            while (end := self._text.find(b"\n")) < 0:
                if bell.has_rung or not self._receive(bell, until):
                    return None
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{self._place}: {error}") from error
        line = bytes(self._text[:end])
        del self._text[: end + 1]
        return line

    def _receive(self, bell: Bell, until: float) -> bool:
        wire = self._connection.wire
        data = wire.take()
        if not data:
            if time.monotonic() >= until:
                return False
            bell.wait(wire.sock.fileno(), until - time.monotonic())
        self._raw += data
        while chunk := self._cut():
            self._text += chunk
        if len(self._raw) + len(self._text) > ANSWER_MAX:
            raise ConnectionError(f"a line of more than {ANSWER_MAX} bytes")
        return True

    def _cut(self) -> bytes:
        """Take a whole chunk off what was received; b"" if there is none yet."""
        if not self._response.chunked:
            chunk = bytes(self._raw)
            self._raw.clear()
            return chunk
        head = self._raw.find(b"\r\n")
        if head < 0:
            return b""
        size = int(self._raw[:head].partition(b";")[0], 16)
        if size == 0:
            raise ConnectionError("the server ended its answer")
        end = head + 2 + size
        if len(self._raw) < end + 2:
            return b""
        chunk = bytes(self._raw[head + 2 : end])
        del self._raw[: end + 2]
        return chunk

    def close(self) -> None:
        """End the connection."""
        self._connection.end()
