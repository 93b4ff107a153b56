"""Echoes, datagrams and connections between two namespaces, with one process at both ends."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from conformance.clause import Failed
from conformance.world.namespaces import inside

PATIENCE = 5.0  # seconds for something that must come
DOUBT = 0.6  # seconds for something that must not come, after the same was seen to be possible
AGAIN = 0.25  # seconds after which a datagram is sent once more
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ANY = {4: "0.0.0.0", 6: "::"}
ECHO = {4: (socket.IPPROTO_ICMP, 8, 0), 6: (socket.IPPROTO_ICMPV6, 128, 129)}  # protocol, request, reply
DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER
NEVER, ALWAYS = 0, 2  # IP_PMTUDISC_DONT, IP_PMTUDISC_DO (linux/in.h)
HEADERS = {4: 28, 6: 48}  # bytes of IP and ICMP before an echo's data
PORT = 4711
ERRORS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM)


class Silence(Exception):
    """Nothing came; the text says what was waited for."""


def opened(netns: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Return a socket that lives in a namespace (a path, "" is the host's)."""
    with inside(netns):
        return socket.socket(FAMILIES[family], kind, protocol)


def family_of(address: str) -> int:
    """Return 4 or 6, of an address with or without a prefix length."""
    return 6 if ":" in address else 4


def echo(netns: str, to: str, data: int = 56, *, whole: bool = False, patience: float = PATIENCE) -> None:
    """Send an ICMP echo request with so many bytes of data, and wait for its reply.

    `whole` forbids fragments.

    Raises:
        Silence: no reply came, or the packet does not fit.
    """
    family = family_of(to)
    protocol, request, reply = ECHO[family]
    with opened(netns, family, socket.SOCK_RAW, protocol) as sock:
        sock.setsockopt(*DISCOVER[family], ALWAYS if whole else NEVER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        mark = os.urandom(8)
        body = mark + bytes(max(0, data - len(mark)))
        packet = _icmp(request, body, summed=family == 4)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                sock.sendto(packet, (to, 0))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise Silence(f"a packet of {data + HEADERS[family]} bytes does not fit") from error
                _tolerate(error)
            if _has_reply(sock, reply, body, family, min(AGAIN, deadline - time.monotonic())):
                return
    raise Silence(f"no echo of {data + HEADERS[family]} bytes came back from {to}")


def exchange_datagrams(here: str, there: str, to: str, *, at: int = PORT, ask: int = PORT, size: int = 64,
                       patience: float = PATIENCE) -> str:  # fmt: skip
    """Send a datagram to a port (`ask`), which arrives in `there` at the port `at`, and one back.

    Return the sender's address as `there` saw it.

    Raises:
        Silence: one of the two did not come.
    """
    family = family_of(to)
    with (
        opened(there, family, socket.SOCK_DGRAM) as server,
        opened(here, family, socket.SOCK_DGRAM) as client,
    ):
        server.bind((ANY[family], at))
        for sock in (server, client):
            sock.setsockopt(*DISCOVER[family], NEVER)
            sock.setblocking(False)
        mark = os.urandom(size)
        deadline, seen = time.monotonic() + patience, ""
        while time.monotonic() < deadline:
            _send(client, mark, (to, ask))
            if sender := _awaited(server, mark, deadline):
                seen = str(sender[0])
                _send(server, mark[::-1], sender)
                if answer := _awaited(client, mark[::-1], deadline):
                    if str(answer[0]) == to:
                        return seen
                    raise Silence(f"the answer to a datagram for {to} came from {answer[0]}")
    if seen:
        raise Silence(f"the answer to a datagram for {to} did not come back")
    raise Silence(f"no datagram for {to} port {ask} arrived")


def connect(here: str, there: str, to: str, *, at: int = PORT, ask: int = PORT, size: int = 200_000,
            patience: float = PATIENCE) -> str:  # fmt: skip
    """Open a TCP connection to a port, which arrives in `there` at the port `at`, and send bytes both ways.

    Return the sender's address as `there` saw it.

    Raises:
        Silence: there was no connection, or the bytes did not come.
    """
    family = family_of(to)
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        server = stack.enter_context(opened(there, family, socket.SOCK_STREAM))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ANY[family], at))
        server.listen()
        client = stack.enter_context(opened(here, family, socket.SOCK_STREAM))
        accepted, sender = _connected(client, server, (to, ask), deadline)
        stack.enter_context(accepted)
        for one, other in ((client, accepted), (accepted, client)):
            _pour(one, other, size, deadline)
        return sender


@contextmanager
def told(sentence: str) -> Iterator[None]:
    """Let silence within the body fail the clause, by a sentence that says what was asked."""
    try:
        yield
    except Silence as error:
        raise Failed(f"{sentence}: {error}") from error


def is_silent(talk: Any, *words: Any, **more: Any) -> bool:
    """Tell whether a conversation does not come about, within a short time."""
    try:
        talk(*words, **more, patience=DOUBT)
    except Silence:
        return True
    return False


def _icmp(kind: int, body: bytes, *, summed: bool) -> bytes:
    """Return an echo message; IPv6's checksum is the kernel's to make (RFC 3542 section 3.1)."""
    packet = struct.pack("!BBHHH", kind, 0, 0, 4711, 1) + body
    if not summed:
        return packet
    padded = packet + bytes(len(packet) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:]


def _has_reply(sock: socket.socket, reply: int, body: bytes, family: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        packet = sock.recv(1 << 16)
        message = packet[(packet[0] & 15) * 4 :] if family == 4 else packet
        if message[:1] == bytes((reply,)) and message[8:] == body:
            return True
    return False


def _awaited(sock: socket.socket, wanted: bytes, deadline: float) -> tuple[Any, ...] | None:
    """Return the address of who sent these bytes; None where they do not come for a while."""
    end = min(deadline, time.monotonic() + AGAIN)
    while (left := end - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        try:
            data, sender = sock.recvfrom(1 << 16)
        except OSError as error:
            _tolerate(error)
            continue
        if data == wanted:
            return tuple(sender)
    return None


def _send(sock: socket.socket, data: bytes, to: tuple[Any, ...]) -> None:
    try:
        sock.sendto(data, to)
    except OSError as error:
        _tolerate(error)


def _connected(
    client: socket.socket, server: socket.socket, to: tuple[str, int], deadline: float
) -> tuple[socket.socket, str]:
    client.setblocking(False)
    begun = client.connect_ex(to)
    if begun not in (0, errno.EINPROGRESS):
        raise Silence(f"no connection to {to[0]} port {to[1]}: {os.strerror(begun)}")
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([server], [], [], min(left, AGAIN))[0]:
            refused = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if refused:
                raise Silence(f"no connection to {to[0]} port {to[1]}: {os.strerror(refused)}")
            continue
        accepted, sender = server.accept()
        accepted.setblocking(False)
        return accepted, str(sender[0])
    raise Silence(f"no connection to {to[0]} port {to[1]}")


def _pour(source: socket.socket, sink: socket.socket, size: int, deadline: float) -> None:
    """Send so many bytes from one socket to the other, reading and writing in turns."""
    data, sent, came = memoryview(os.urandom(size)), 0, b""
    while len(came) < size:
        left = deadline - time.monotonic()
        readable, writable, _ = select.select([sink], [source] if sent < size else [], [], max(0, left))
        if not readable and not writable:
            raise Silence(f"of {size} bytes of a connection {len(came)} came")
        try:
            if writable:
                sent += source.send(data[sent:])
            if readable:
                came += sink.recv(1 << 16)
        except OSError as error:
            raise Silence(f"the connection broke: {error.strerror}") from error
    if came != data:
        raise Silence("the connection gave other bytes than were sent")


def _tolerate(error: OSError) -> None:
    """Go on where the network says no, which may pass, or be what is looked for."""
    if error.errno not in ERRORS:
        raise error
