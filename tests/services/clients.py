"""Clients in namespaces: what became of a request, and who answered it.

`ask` makes many requests at once from one thread, so that fifty of them, or ten that nobody answers, take
no longer than one.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.overlay.flows import socket_in
from tests.services.servers import KINDS, TCP

PATIENCE = 0.3  # seconds after which nobody answers any more: everything is on one machine
EACH = 0.01  # seconds more for each request that is made at once: one thread serves them all
REFUSED, DROPPED, UNREACHABLE = "refused", "dropped", "unreachable"
DENIED = "denied"  # by the node's own rules, which cannot tell a process from them: refused or dropped
ERRORS = {
    errno.ECONNREFUSED: REFUSED, errno.EHOSTUNREACH: UNREACHABLE, errno.ENETUNREACH: UNREACHABLE,
    errno.EACCES: UNREACHABLE, errno.EPERM: DENIED,
}  # fmt: skip


class Answer(NamedTuple):
    """What came of one request: who answered (or `refused`, `dropped`, ...), and whom he saw."""

    who: str
    port: int = 0  # of the server
    client: str = ""
    client_port: int = 0
    size: int = 0  # bytes that the server got at once


def read_answer(line: bytes) -> Answer:
    who, port, client, client_port, size = line.decode().split()[:5]
    return Answer(who, int(port), client, int(client_port), int(size))


class Client:
    """A place to ask from: a namespace, and an address of it where it matters."""

    def __init__(self, netns: str, address: str = "") -> None:
        self.netns, self.address = netns, address

    def open(self, version: int, protocol: str = TCP, port: int = 0) -> socket.socket:
        """Return a socket that is here; bound where an address or a port is asked for."""
        bind = (self.address or ("::" if version == 6 else "0.0.0.0"), port)
        return socket_in(self.netns, KINDS[protocol], version, bind if self.address or port else None)

    def ask(
        self, address: str, port: int, protocol: str = TCP, *, count: int = 1, patience: float = PATIENCE,
        data: bytes = b"hello\n",
    ) -> list[Answer]:  # fmt: skip
        """Make requests, each by a socket of its own; return what came of each."""
        version = 6 if ":" in address else 4
        sockets = [self.open(version, protocol) for _ in range(count)]
        try:
            return _finish(sockets, (address, port), protocol, data, patience + (count - 1) * EACH)
        finally:
            for sock in sockets:
                sock.close()

    def one(self, address: str, port: int, protocol: str = TCP, *, patience: float = PATIENCE) -> Answer:
        return self.ask(address, port, protocol, patience=patience)[0]

    def who(self, address: str, port: int, protocol: str = TCP, *, count: int = 1) -> Counter[str]:
        """Return how often each answered; what was not answered is counted by its name."""
        return Counter(answer.who for answer in self.ask(address, port, protocol, count=count))


def exchange(sock: socket.socket, data: bytes = b"hello\n", patience: float = PATIENCE) -> Answer:
    """Send once more over a socket that is connected, and return what came of it."""
    sock.settimeout(patience)
    try:
        sock.send(data)
        return read_answer(sock.recv(65536))
    except TimeoutError:
        return Answer(DROPPED)
    except OSError as error:
        return Answer(ERRORS.get(error.errno or 0, str(error)))


def _finish(
    sockets: Sequence[socket.socket], to: tuple[str, int], protocol: str, data: bytes, patience: float
) -> list[Answer]:
    answers: dict[int, Answer] = {}
    with selectors.DefaultSelector() as selector:
        for index, sock in enumerate(sockets):
            sock.setblocking(False)
            code = sock.connect_ex(to)
            if code not in (0, errno.EINPROGRESS):
                answers[index] = Answer(ERRORS.get(code, errno.errorcode[code]))
                continue
            selector.register(sock, selectors.EVENT_WRITE, index)
        end = time.monotonic() + patience
        while len(answers) < len(sockets) and (left := end - time.monotonic()) > 0:
            for key, events in selector.select(left):
                answer = _step(selector, key, events, data)
                if answer is not None:
                    answers[key.data] = answer
    return [answers.get(index, Answer(DROPPED)) for index in range(len(sockets))]


def _step(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, events: int, data: bytes
) -> Answer | None:
    """Go on with one request: connected, then sent, then answered."""
    sock = key.fileobj
    assert isinstance(sock, socket.socket)
    try:
        if events & selectors.EVENT_WRITE:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "connect")
            sock.send(data)
            selector.modify(sock, selectors.EVENT_READ, key.data)
            return None
        answer = read_answer(sock.recv(65536))
    except OSError as error:
        answer = Answer(ERRORS.get(error.errno or 0, str(error)))
    selector.unregister(sock)
    return answer
