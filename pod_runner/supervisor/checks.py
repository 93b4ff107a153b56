"""Asking a container whether it is well, without waiting: a command, a connection, a request.

Connections begin in the pod's network namespace and lead to the pod's own address, as kubelet's do, so a
server that listens there, or everywhere, answers. `done` is called once, with True and what was heard, or
False and why.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from linuxnet.errors import KernelError
from linuxnet.netns import inside, is_own_netns, open_netns
from pod_runner.supervisor.loop import Loop

Done = Callable[[bool, str], None]
ANSWER_LIMIT = 10 << 10  # bytes of a body or of a command's words that are kept (kubelet: maxRespBodyLength)


class Check(Protocol):
    """Something that is being asked."""

    def cancel(self) -> None:
        """Ask no more; nobody is called."""


class Connecting:
    """A TCP connection in the making; `timeout` in seconds. The base of a request too."""

    def __init__(self, loop: Loop, netns: str, address: tuple[str, int], timeout: float, done: Done) -> None:
        self._loop, self._done = loop, done
        self._socket: socket.socket | None = None
        self._timer = loop.after(timeout, lambda: self._end(False, self._late()))
        self._where = _said(address)
        try:
            self._socket = open_socket(netns, address[0])
            number = self._socket.connect_ex(address)
        except (OSError, KernelError, ValueError, OverflowError) as error:
            loop.after(0, lambda said=f"{self._where}: {error}": self._end(False, said))  # type: ignore[misc]  # bound now
            return
        if number not in (0, errno.EINPROGRESS):
            loop.after(0, lambda: self._end(False, f"{self._where}: {os.strerror(number)}"))
            return
        loop.watch(self._socket.fileno(), self._connected, writable=True)

    def cancel(self) -> None:
        """Close it, and tell nobody."""
        self._timer.cancel()
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _late(self) -> str:
        return f"{self._where}: no connection in time"

    def _connected(self) -> None:
        assert self._socket is not None
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._end(False, f"{self._where}: {os.strerror(number)}")
        else:
            self._go_on()

    def _go_on(self) -> None:
        self._end(True, "")

    def _end(self, is_good: bool, message: str) -> None:
        if self._done is not _told:
            self.cancel()
            done, self._done = self._done, _told
            done(is_good, message)


class Opening(Connecting):
    """A connection that is handed over once it is there; `opened` owns it."""

    def __init__(
        self,
        loop: Loop,
        netns: str,
        address: tuple[str, int],
        timeout: float,
        opened: Callable[[socket.socket], None],
        failed: Callable[[str], None],
    ) -> None:
        self._opened = opened
        super().__init__(loop, netns, address, timeout, lambda _, message: failed(message))

    def _go_on(self) -> None:
        assert self._socket is not None
        taken, self._socket = self._socket, None
        self._loop.forget(taken.fileno())
        self.cancel()
        taken.setblocking(True)
        self._opened(taken)


class Request(Connecting):
    """An HTTP request; 200 to 399 is success. The answer's first line is enough."""

    def __init__(
        self, loop: Loop, netns: str, address: tuple[str, int], head: bytes, timeout: float, done: Done
    ) -> None:
        self._head = head
        self._answer = bytearray()
        super().__init__(loop, netns, address, timeout, done)

    def _late(self) -> str:
        return f"{self._where}: no answer in time"

    def _go_on(self) -> None:
        assert self._socket is not None
        try:
            self._socket.sendall(self._head)  # an empty send buffer takes more than a head
        except OSError as error:
            self._end(False, f"{self._where}: {error.strerror}")
        else:
            self._loop.watch(self._socket.fileno(), self._read)

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(ANSWER_LIMIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(False, f"{self._where}: {error.strerror}")
            return
        self._answer += data
        if data and b"\n" not in self._answer and len(self._answer) < ANSWER_LIMIT:
            return
        is_good, said = judge_status_line(bytes(self._answer))
        self._end(is_good, f"{self._where}: {said}")


def judge_status_line(answer: bytes) -> tuple[bool, str]:
    """Return whether an answer begins with a status that is a success, and what to say of it."""
    words = answer.partition(b"\n")[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return False, "what came is no HTTP"
    code = int(words[1][:9])
    return 200 <= code < 400, f"HTTP probe failed with statuscode: {code}" if not 200 <= code < 400 else "ok"


def open_socket(netns: str, host: str) -> socket.socket:
    """Open a TCP socket in a network namespace, for an address written so; it does not block."""
    descriptor = open_netns(netns)
    try:
        if is_own_netns(descriptor):  # hostNetwork: there is nothing to enter, and without root no right to
            return _socket(host)
        with inside(descriptor):
            return _socket(host)
    finally:
        os.close(descriptor)


def _socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _said(address: tuple[str, int]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{host}:{address[1]}"


def _told(is_good: bool, message: str) -> None:
    """Stand for somebody who was told already."""
