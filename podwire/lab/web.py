"""The web server of a lab's pod: says who it is, and how often it has been asked.

A program by itself, `python -I -S web.py NAME PORT`, that imports nothing of ours: it starts in 30 ms and
takes 8 MB. When the command returns, the server listens. On SIGTERM it answers who has come already, then
ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time

BACKLOG = 4096  # callers; what net.core.somaxconn allows by default
REQUEST_LIMIT = 1 << 16  # bytes of a request's head
END = b"\r\n\r\n"
LAST_WORDS = 2.0  # seconds for who is still connected at the end
MAPPED = "::ffff:"  # of an IPv4 client at an IPv6 socket (RFC 4291 section 2.5.5.2)


class Server:
    """One thread that takes callers, reads a request of each, answers and closes."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self._name, self._listener = name, listener
        self._heads: dict[socket.socket, bytes] = {}
        self._count = 0
        self._is_leaving = False
        self._selector = selectors.DefaultSelector()
        self._waker, waking = socket.socketpair()
        for one in (listener, self._waker, waking):
            one.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._waking = waking
        signal.set_wakeup_fd(waking.fileno())
        signal.signal(signal.SIGTERM, self._leave)

    def run(self) -> None:
        """Serve until SIGTERM, and then whoever is there."""
        while not self._is_leaving:
            self._turn(None)
        self._accept()
        self._selector.unregister(self._listener)
        self._listener.close()
        until = time.monotonic() + LAST_WORDS
        while self._heads and (left := until - time.monotonic()) > 0:
            self._turn(left)

    def _leave(self, number: int, frame: object) -> None:
        self._is_leaving = True

    def _turn(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._waker:
                self._waker.recv(64)
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # nobody more, or one who has gone already
                return
            caller.setblocking(False)
            self._heads[caller] = b""
            self._selector.register(caller, selectors.EVENT_READ)

    def _read(self, caller: socket.socket) -> None:
        try:
            part = caller.recv(REQUEST_LIMIT)
        except OSError:  # it has gone
            part = b""
        self._heads[caller] += part
        head = self._heads[caller]
        if part and END not in head and len(head) < REQUEST_LIMIT:
            return
        del self._heads[caller]
        self._selector.unregister(caller)
        with caller:
            if END in head:
                self._answer(caller)

    def _answer(self, caller: socket.socket) -> None:
        self._count += 1
        try:
            source = caller.getpeername()[0].removeprefix(MAPPED)
            body = f"{self._name} request {self._count} from {source}\n".encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            caller.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
        except OSError:  # it has gone
            return


def listen(port: int) -> socket.socket:
    """Return a listener for both families, where there are two."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    return socket.create_server(("", port), backlog=BACKLOG)


def main(name: str, port: int) -> None:
    """Listen, then go into the background."""
    listener = listen(port)
    if os.fork():
        return
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    Server(name, listener).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
