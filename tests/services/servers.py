"""Servers in namespaces: whoever asks is told who answers, and as whom he was seen.

One thread serves them all. What comes over TCP or UDP is answered by `name port client's-address
client's-port size`, the size in bytes; connections stay open for more until the client goes.
"""

from __future__ import annotations

import select
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from threading import Event, Lock, Thread

from tests.overlay.flows import socket_in

TCP, UDP = "tcp", "udp"
KINDS = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM}
BACKLOG = 1024


class Servers:
    """All servers of a site. End them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._near, self._wake = socket.socketpair()
        self._selector.register(self._near, selectors.EVENT_READ, self._near.recv)
        self._jobs: list[Callable[[], object]] = []
        self._lock = Lock()
        self._live: Counter[socket.socket] = Counter()  # connections of each listener
        self._is_over = False
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def open(self, netns: str, name: str, address: str, port: int, protocol: str = TCP) -> socket.socket:
        """Serve at an address of a namespace, as `name`; give the socket to `close` in the end."""
        version = 6 if ":" in address else 4
        sock = socket_in(netns, KINDS[protocol], version, (address, port))
        sock.setblocking(False)
        if protocol == TCP:
            sock.listen(BACKLOG)
            answer: Callable[[int], object] = lambda size: self._accept(sock, name)  # noqa: E731
        else:
            answer = lambda size: _answer_datagram(sock, name)  # noqa: E731
        self._do(lambda: self._selector.register(sock, selectors.EVENT_READ, answer))
        return sock

    def close(self, sock: socket.socket) -> None:
        """Have one server gone; connections that it has accepted live on."""
        self._do(lambda: self._forget(sock))

    def drain(self, sock: socket.socket, within: float = 5.0) -> None:
        """Have a server gone as a good one goes: what has come is served to its end, then it closes."""
        end = time.monotonic() + within
        done = Event()
        while not done.wait(0.002):
            assert time.monotonic() < end, f"{self._live[sock]} connections do not end"
            self._do(lambda: self._close_if_idle(sock, done))

    def end(self) -> None:
        """Close everything."""
        self._is_over = True
        self._wake.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        self._wake.close()

    def _do(self, job: Callable[[], object]) -> None:
        with self._lock:
            self._jobs.append(job)
        self._wake.send(b"x")

    def _serve(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select():
                key.data(4096)
            with self._lock:
                jobs, self._jobs = self._jobs, []
            for job in jobs:
                job()

    def _close_if_idle(self, listener: socket.socket, done: Event) -> None:
        if done.is_set():  # asked once more before that was known
            return
        waiting, _, _ = select.select([listener], [], [], 0)
        if not waiting and not self._live[listener]:
            self._forget(listener)
            done.set()

    def _accept(self, listener: socket.socket, name: str) -> None:
        try:
            connection, peer = listener.accept()
        except OSError:  # gone again, or the listener is
            return
        connection.setblocking(False)
        seen = f"{name} {listener.getsockname()[1]} {peer[0]} {peer[1]}"
        self._live[listener] += 1
        answer = lambda size: self._answer_line(listener, connection, seen)  # noqa: E731
        self._selector.register(connection, selectors.EVENT_READ, answer)

    def _answer_line(self, listener: socket.socket, connection: socket.socket, seen: str) -> None:
        try:
            data = connection.recv(65536)
            if data:
                connection.sendall(f"{seen} {len(data)}\n".encode())
                return
        except OSError:  # reset
            pass
        self._forget(connection)
        self._live[listener] -= 1

    def _forget(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()


def _answer_datagram(sock: socket.socket, name: str) -> None:
    try:
        data, peer = sock.recvfrom(65536)
        port = sock.getsockname()[1]
        sock.sendto(f"{name} {port} {peer[0]} {peer[1]} {len(data)}\n".encode(), peer)
    except OSError:  # an error of an earlier answer, told now
        return
