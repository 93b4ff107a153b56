"""One connection to a Kubernetes API server: a question and its answer within a deadline, or a stream.

`http.client` writes requests and reads heads; below it a reader of our own counts the seconds of the whole
answer, since a socket's timeout starts anew with each byte of a server that dribbles.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from cluster_store.kubernetes_access import Access
from cluster_store.kubernetes_answers import JsonObject, read_object, refusal
from cluster_store.store import DEADLINE, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ANSWER_LIMIT = 64 << 20  # bytes; a page of 500 full Nodes has some 10 MB
KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}  # seconds; tcp(7)
PIECE = 1 << 16  # bytes asked of a socket at once


@dataclass(frozen=True)
class Question:
    """One request. `path` begins with /api; `accept` and `kind` are media types."""

    method: str
    path: str
    query: Mapping[str, str | int] | None = None
    body: JsonObject | None = None
    kind: str = ""
    accept: str = "application/json"


class Connection:
    """A connection that is made when it is needed and used again; it belongs to one thread at a time."""

    def __init__(self, access: Access, deadline: float = DEADLINE) -> None:
        self.access, self._deadline = access, deadline
        self._http: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._ends_at = 0.0
        self._is_ended = False

    def ask(self, question: Question) -> JsonObject:
        """Return the answer's object.

        Raises:
            NotFound, Expired, Conflict: the server's 404, 410, 409.
            StoreRefused: it will not: the sentence is the server's.
            StoreUnavailable: no answer in time, or none that can be read.
        """
        response = self._answered(question)
        try:
            text = self._rest(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error
        if response.will_close:
            self.close()
        return read_object(text, self.access.where)

    def open_stream(self, question: Question) -> tuple[http.client.HTTPResponse, socket.socket]:
        """Ask for what has no end: return the answer's head, and the socket that its body comes from."""
        self.close()
        response = self._answered(question, is_stream=True)
        assert self._socket is not None
        return response, self._socket

    def close(self) -> None:
        """Give the connection back; the next question makes another."""
        if self._socket is not None:
            self._socket.close()
        self._http = self._socket = None

    def end(self) -> None:
        """End whatever goes on, for good: the one thing that another thread may call."""
        self._is_ended = True
        seen = self._socket
        if seen is not None:
            with contextlib.suppress(OSError):  # not connected any more
                socket.socket.shutdown(seen, socket.SHUT_RDWR)  # the plain one: SSLSocket's drops its state

    @property
    def is_ended(self) -> bool:
        """Tell whether `end` was called."""
        return self._is_ended

    def _answered(self, question: Question, *, is_stream: bool = False) -> http.client.HTTPResponse:
        """Return an answer of 2xx; a token that was exchanged meanwhile is read anew, once."""
        for attempt in (1, 2):
            response = self._sent(question, is_stream)
            if response.status < 300:
                return response
            try:
                text = self._rest(response)
            except (OSError, http.client.HTTPException) as error:
                raise self._lost(error) from error
            self.close()
            if response.status != 401 or attempt == 2 or not self.access.token.forget():
                break
        raise refusal(response.status, text, self.access.where, f"{question.method} {question.path}")

    def _sent(self, question: Question, is_stream: bool) -> http.client.HTTPResponse:
        """Send a question; a connection that the server closed while it was idle is made anew, once."""
        self._ends_at = time.monotonic() + self._deadline
        was_idle = self._http is not None
        try:
            return self._send(question, is_stream)
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            if not was_idle or self._is_ended:
                raise self._lost(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error
        self.close()
        try:
            return self._send(question, is_stream)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error

    def _send(self, question: Question, is_stream: bool) -> http.client.HTTPResponse:
        headers = {"Accept": question.accept, "User-Agent": "podwire"}
        if token := self.access.token.text():
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if question.body is not None:
            body = json.dumps(question.body, separators=(",", ":")).encode()
            headers["Content-Type"] = question.kind
        query = f"?{urlencode(question.query)}" if question.query else ""
        link = self._http or self._connect(is_stream)
        assert self._socket is not None
        self._socket.settimeout(self._left())
        link.request(question.method, f"{self.access.base}{question.path}{query}", body, headers)
        return link.getresponse()

    def _connect(self, is_stream: bool) -> http.client.HTTPConnection:
        access = self.access
        trust = access.trust.context() if access.trust else None
        plain = socket.create_connection((access.host, access.port), self._left())
        self._socket = plain
        self._stop_if_ended()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            plain.setsockopt(socket.IPPROTO_TCP, option, value)
        if trust:
            self._socket = trust.wrap_socket(plain, server_hostname=access.server_name or access.host)
            self._stop_if_ended()
        link = http.client.HTTPConnection(access.host, access.port)
        link.auto_open = 0
        link.sock = _Counted(self._socket, self._left, is_stream)
        self._http = link
        return link

    def _stop_if_ended(self) -> None:
        if self._is_ended:
            raise ConnectionAbortedError("closed by us")

    def _left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within {self._deadline:g} s")
        return left

    def _rest(self, response: http.client.HTTPResponse) -> bytes:
        parts, size = [], 0
        while part := response.read(PIECE):
            parts.append(part)
            size += len(part)
            if size > ANSWER_LIMIT:
                raise http.client.HTTPException(f"an answer of more than {ANSWER_LIMIT >> 20} MiB")
        return b"".join(parts)

    def _lost(self, error: OSError | http.client.HTTPException) -> StoreUnavailable:
        self.close()
        reason: object = error
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {error.verify_message}"
        elif isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        return StoreUnavailable(f"{self.access.where}: {reason or type(error).__name__}")


class _Counted(io.RawIOBase):
    """A socket as `http.client` sees it: every read is given what is left of the deadline.

    A stream is read without a buffer: what follows its head stays in the socket.
    """

    def __init__(self, inner: socket.socket, left: Callable[[], float], is_stream: bool) -> None:
        super().__init__()
        self._inner, self._left, self._is_stream = inner, left, is_stream

    def makefile(self, *_: object) -> io.RawIOBase | io.BufferedReader:
        """Return the reading side."""
        raw = _Counted(self._inner, self._left, self._is_stream)
        return raw if self._is_stream else io.BufferedReader(raw, PIECE)

    def sendall(self, data: bytes) -> None:
        """Send all."""
        self._inner.sendall(data)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what there is."""
        self._inner.settimeout(self._left())
        return self._inner.recv_into(buffer)

    def read(self, size: int = -1) -> bytes:
        """Read all that is asked for, as a buffered file would."""
        if size < 0:
            return self.readall()
        found = bytearray()
        while len(found) < size and (part := super().read(size - len(found))):
            found += part
        return bytes(found)
