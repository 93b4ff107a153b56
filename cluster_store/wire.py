"""A connection to an HTTP server on which nothing waits beyond a point in time.

http.client's own timeouts start anew with every byte: a server that trickles would hold us for ever, and so
would a dead name server, whose look-up has no timeout at all.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import threading
import time
from typing import NamedTuple, cast

KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))  # dead after 25 s


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    port: int
    is_tls: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Wire:
    """What http.client needs of a socket; every wait on it ends at `until` (time.monotonic)."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        self._raw = _Reader(self)
        self._reader = io.BufferedReader(self._raw)

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if none are."""
        return _left(self.until)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        self.sock.settimeout(self.left())
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader[_Reader]:
        """Return what the answer is read from."""
        self._raw = _Reader(self)
        self._reader = io.BufferedReader(self._raw, 65536)
        return self._reader

    def take(self) -> bytes:
        """Return what has come, without waiting; b"" if nothing has. Raises OSError at the end."""
        self.until = 0.0
        data = self._reader.read1(65536)
        if not data and self._raw.is_over:
            raise ConnectionError("the server ended its answer")
        return data

    def close(self) -> None:
        """Do nothing: http.client would close it as soon as it knows that no second answer will follow."""


class _Reader(io.RawIOBase):
    """The raw end of an answer; `until` 0 is "do not wait"."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        wire = self._wire
        wire.sock.settimeout(wire.left() if wire.until else 0.0)
        try:
            count = wire.sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):  # nothing there yet
            return None
        self.is_over = not count
        return count


class Connection(http.client.HTTPConnection):
    """An HTTP connection to one endpoint."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext | None, server_name: str) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._endpoint = endpoint
        self._context = context
        self._server_name = server_name or endpoint.host

    def open(self, until: float) -> None:
        """Connect, with TLS if there is a context. Raises OSError."""
        sock = _connect(self._endpoint, until)
        try:
            if self._context:
                sock.settimeout(_left(until))
                sock = self._context.wrap_socket(sock, server_hostname=self._server_name)
        except BaseException:
            sock.close()
            raise
        self.wire = Wire(sock, until)
        self.sock = cast("socket.socket", self.wire)

    def is_idle(self) -> bool:
        """Tell if a question may be asked: the last answer allows one, and the other side has not gone."""
        return self.sock is not None and not select.select([self.wire.sock], [], [], 0)[0]

    def end(self) -> None:
        """End it at once."""
        self.wire.sock.close()


def _connect(endpoint: Endpoint, until: float) -> socket.socket:
    """Try each of a name's addresses, none for longer than its share of the time."""
    addresses = _resolve(endpoint, until)
    for number, (family, kind, _, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind)
        try:
            sock.settimeout(_left(until) / (len(addresses) - number))
            sock.connect(address)
        except OSError:
            sock.close()
            if number == len(addresses) - 1:
                raise
            continue
        _keep_honest(sock)
        return sock
    raise OSError(f"{endpoint.host} has no address")


def _keep_honest(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


Addresses = list[tuple[int, int, int, str, tuple[str, int]]]


def _resolve(endpoint: Endpoint, until: float) -> Addresses:
    """Look a name up; addresses at once, names in a thread that may be left to its fate."""
    found: list[Addresses | OSError] = []

    def look(flags: int) -> None:
        try:
            kind = socket.SOCK_STREAM
            found.append(cast("Addresses", socket.getaddrinfo(*endpoint[:2], type=kind, flags=flags)))
        except OSError as error:
            found.append(error)

    look(socket.AI_NUMERICHOST)
    if isinstance(found[0], OSError):
        found.clear()
        thread = threading.Thread(target=look, args=(0,), name="resolve", daemon=True)
        thread.start()
        thread.join(_left(until))
    if not found:
        raise TimeoutError(f"no answer yet to who {endpoint.host} is")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
