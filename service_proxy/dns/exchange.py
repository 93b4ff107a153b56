"""One question at one server. Nothing here waits: the loop calls when the socket has something.

A UDP question has a socket of its own, so that its port is the kernel's random choice, and connected, so that
the kernel takes nothing from any other address and tells of a closed port. With the random id that is what
RFC 5452 asks for. Who still sends wrong answers makes us ask by TCP.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from contextlib import suppress

from service_proxy.dns.forward_settings import Server
from service_proxy.dns.message import Question, is_answer_to, question_to_upstream
from service_proxy.dns.resolver import TC
from service_proxy.dns.upstreams import Upstream

UNWANTED_LIMIT = 8  # wrong answers to one question over UDP: somebody is guessing
LARGEST = 65535  # bytes


class Unanswered(Exception):
    """The server will not answer here: its port is closed, the connection broke."""


class AskByTcp(Exception):
    """The answer is longer than a datagram, or the datagrams are not to be believed."""


class Exchange:
    """One question, on its way over one socket. `events` is what epoll is to wait for."""

    is_tcp = False

    def __init__(self, upstream: Upstream, question: Question, now: float, has_edns: bool = True) -> None:
        """Ask. Raises OSError: no such network, no more sockets."""
        self.upstream = upstream
        self.asked_at = now
        self.events = select.EPOLLIN
        self.has_edns = has_edns
        self.query = question_to_upstream(os.urandom(2), question, self.has_edns)
        self.socket = self._open(upstream.server)
        upstream.figures.requests += 1

    def _open(self, server: Server) -> socket.socket:
        kind = socket.SOCK_STREAM if self.is_tcp else socket.SOCK_DGRAM
        family, address = _where(server)
        opened = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._begin(opened, address)
        except OSError:
            opened.close()
            raise
        return opened

    def _begin(self, opened: socket.socket, address: tuple[str, int] | tuple[str, int, int, int]) -> None:
        raise NotImplementedError

    def take(self) -> bytes | None:
        """Return the answer, None if it is not here yet. Raises Unanswered, AskByTcp."""
        raise NotImplementedError

    def close(self) -> None:
        """Be done with it."""
        self.socket.close()


class UdpExchange(Exchange):
    """By datagram."""

    _unwanted = 0

    def _begin(self, opened: socket.socket, address: tuple[str, int] | tuple[str, int, int, int]) -> None:
        opened.connect(address)
        opened.send(self.query)

    def take(self) -> bytes | None:
        """Return the answer, None if it is not here yet. Raises Unanswered, AskByTcp."""
        try:
            message = self.socket.recv(LARGEST)
        except BlockingIOError:  # a datagram with a wrong checksum wakes, too
            return None
        except OSError as error:  # ECONNREFUSED, EHOSTUNREACH: by ICMP
            raise Unanswered(str(error)) from error
        if not is_answer_to(message, self.query):
            self._unwanted += 1
            self.upstream.figures.unwanted += 1
            if self._unwanted >= UNWANTED_LIMIT:
                raise AskByTcp
            return None
        if message[2] & TC >> 8:
            raise AskByTcp
        return message


class TcpExchange(Exchange):
    """By a connection of its own: each message after its length in two bytes (RFC 7766)."""

    is_tcp = True

    def _begin(self, opened: socket.socket, address: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self._unsent = len(self.query).to_bytes(2) + self.query
        self._read = b""
        self.events = select.EPOLLOUT
        opened.setblocking(False)
        with suppress(BlockingIOError):  # EINPROGRESS
            opened.connect(address)

    def take(self) -> bytes | None:
        """Return the answer, None if it is not here yet. Raises Unanswered."""
        try:
            if self._unsent:
                self._send()
                return None
            chunk = self.socket.recv(LARGEST)
        except BlockingIOError:  # not yet
            return None
        except OSError as error:
            raise Unanswered(str(error)) from error
        self._read += chunk
        length = int.from_bytes(self._read[:2]) if len(self._read) >= 2 else LARGEST
        if len(self._read) >= 2 + length:
            return self._checked(self._read[2 : 2 + length])
        if not chunk:
            raise Unanswered("the connection was closed")
        return None

    def _send(self) -> None:
        if number := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        self._unsent = self._unsent[self.socket.send(self._unsent) :]
        if not self._unsent:
            self.events = select.EPOLLIN

    def _checked(self, message: bytes) -> bytes:
        if not is_answer_to(message, self.query):
            self.upstream.figures.unwanted += 1
            raise Unanswered("it answered something else")
        return message


def _where(server: Server) -> tuple[int, tuple[str, int] | tuple[str, int, int, int]]:
    if ":" not in server.address:
        return socket.AF_INET, (server.address, server.port)
    address, _, scope = server.address.partition("%")
    if not scope:
        return socket.AF_INET6, (address, server.port, 0, 0)
    return socket.AF_INET6, (address, server.port, 0, _ifindex(scope))


def _ifindex(scope: str) -> int:
    """Return the interface of a scope, by number or name. Raises OSError: there is none."""
    try:
        number = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    except ValueError as error:  # NUL in a name, thousands of digits
        raise OSError(errno.ENODEV, str(error)) from error
    if number >= 1 << 31:
        raise OSError(errno.ENODEV, f"no interface has the number {number}")
    return number
