"""Lines of an answer without end: chunks of HTTP/1.1 as they come, cut at line ends.

A read that ends at its time leaves everything as it was (`http.client` cannot go on after that), so one
thread can wait as long as it likes, as often as it likes.
"""

from __future__ import annotations

import http.client
import time

from cluster_store.kubernetes_http import Connection, Question
from cluster_store.store import StoreUnavailable

LINE_LIMIT = 8 << 20  # bytes; etcd takes no object of more than 1.5 MB
SIZE_LINE_LIMIT = 64  # bytes of a chunk's length, extensions included; Go writes at most 10
PIECE = 1 << 16


class Chunks:
    """Take the body out of chunked transfer (RFC 9112 section 7.1), bytes in, bytes out."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._left = 0  # of the present chunk's data
        self._is_after_data = False
        self.is_ended = False

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that has become known. Raises ValueError: this is no chunk."""
        self._raw += data
        found = bytearray()
        while self._step(found):
            pass
        return bytes(found)

    def _step(self, found: bytearray) -> bool:
        """Take one thing off the front; tell whether another may be there."""
        if self._left:
            part = self._raw[: self._left]
            del self._raw[: self._left]
            found += part
            self._left -= len(part)
            self._is_after_data = True
            return bool(part)
        if self.is_ended:
            return False
        line, end, rest = self._raw.partition(b"\r\n")
        if not end:
            if len(line) > SIZE_LINE_LIMIT:
                raise ValueError("a chunk without a length")
            return False
        if self._is_after_data and not line:
            self._is_after_data = False
        else:
            self._left = _length(line)
            self.is_ended = self._left == 0
        self._raw = rest
        return True


def _length(line: bytes | bytearray) -> int:
    digits = bytes(line).partition(b";")[0].strip()
    if not digits or len(digits) > 8 or not all(one in b"0123456789abcdefABCDEF" for one in digits):
        raise ValueError(f"{bytes(line[:20])!r} is no chunk's length")
    return int(digits, 16)


class LineStream:
    """The lines that a server sends as they happen."""

    def __init__(self, connection: Connection, question: Question) -> None:
        """Ask. Raises what `Connection.ask` raises."""
        self._connection = connection
        response, self._socket = connection.open_stream(question)
        self._chunks = Chunks() if _is_chunked(response) else None
        self._body = bytearray()
        self._heard_at = time.monotonic()
        self.is_ended = False  # the server has said all it wanted to say

    @property
    def silence(self) -> float:
        """Return for how many seconds nothing has come."""
        return time.monotonic() - self._heard_at

    def lines(self, timeout: float) -> list[bytes]:
        """Return whole lines, waiting up to `timeout` seconds for the first; [] if none came or all is said.

        Raises:
            StoreUnavailable: the connection broke off in the middle.
        """
        deadline = time.monotonic() + timeout
        while not (found := self._cut()) and not self.is_ended:
            try:
                self._receive(max(deadline - time.monotonic(), 0.0))
            except (TimeoutError, BlockingIOError):
                break
            except (OSError, ValueError) as error:
                raise StoreUnavailable(f"{self._connection.access.where}: {error}") from error
        return found

    def _receive(self, timeout: float) -> None:
        self._socket.settimeout(timeout or 1e-3)  # 0 would make it non-blocking, which TLS tells otherwise
        data = self._socket.recv(PIECE)
        self._heard_at = time.monotonic()
        if not data:
            if self._chunks is not None:
                raise ConnectionResetError("the connection broke off in the middle of a watch")
            self.is_ended = True
            return
        self._body += self._chunks.feed(data) if self._chunks is not None else data
        if self._chunks is not None and self._chunks.is_ended:
            self.is_ended = True
        if len(self._body) > LINE_LIMIT and b"\n" not in self._body:
            raise ValueError(f"a line of more than {LINE_LIMIT >> 20} MiB")

    def _cut(self) -> list[bytes]:
        whole, end, rest = self._body.rpartition(b"\n")
        if not end:
            return []
        self._body = rest
        return [bytes(line) for line in whole.split(b"\n") if line.strip()]


def _is_chunked(response: http.client.HTTPResponse) -> bool:
    return response.getheader("Transfer-Encoding", "").strip().lower() == "chunked"
