"""Ask a resolver as the server does, or through a socket for `dig`; wait for the answer with a deadline."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import dns.message

from service_proxy.dns.forward_settings import ForwardSettings, Server
from service_proxy.dns.forwarder import Forwarder
from service_proxy.dns.resolver import Resolver

CLIENT = bytes((10, 0, 0, 7))
WITHIN = 60.0  # seconds


class Told:
    """The conditions that were told, and are still so."""

    def __init__(self) -> None:
        self.now: dict[tuple[str, str], str] = {}
        self.ever: list[tuple[str, str]] = []

    def __call__(self, name: str, message: str, *, about: str = "") -> None:
        if message:
            self.now[name, about] = message
            self.ever.append((name, about))
        else:
            self.now.pop((name, about), None)


@contextmanager
def forwarding(*servers: str, told: Told | None = None, **settings: object) -> Iterator[Forwarder]:
    """Run a forwarder to servers."""
    chosen = ForwardSettings(**settings)  # type: ignore[arg-type]
    forwarder = Forwarder(chosen, [Server(one) for one in servers], told or Told())
    forwarder.start()
    try:
        yield forwarder
    finally:
        forwarder.close()


def ask_raw(
    resolver: Resolver, query: bytes, *, client: bytes = CLIENT, is_tcp: bool = False
) -> queue.Queue[bytes]:
    """Ask; the answer comes into the queue."""
    answers: queue.Queue[bytes] = queue.Queue()
    resolver.resolve(query, client, is_tcp, answers.put)
    return answers


def ask(
    resolver: Resolver,
    name: str,
    kind: str = "A",
    *,
    is_tcp: bool = False,
    client: bytes = CLIENT,
    **edns: int,
) -> dns.message.Message:
    """Ask and wait; the answer was checked to be one."""
    query = dns.message.make_query(name, kind, **edns)  # type: ignore[arg-type]
    wire = ask_raw(resolver, query.to_wire(), is_tcp=is_tcp, client=client).get(timeout=WITHIN)
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    return answer


def data_of(answer: dns.message.Message) -> list[str]:
    """Return the data of the answer section as text."""
    return [record.to_text() for rrset in answer.answer for record in rrset]


@contextmanager
def listening(resolver: Resolver, address: str, port: int = 53) -> Iterator[None]:
    """Put a resolver behind a UDP and a TCP socket, one query after another."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server((address, port)) as tcp,
    ):
        udp.bind((address, port))
        threads = [
            threading.Thread(target=_udp, args=(resolver, udp)),
            threading.Thread(target=_tcp, args=(resolver, tcp)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for one in (udp, tcp):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _udp(resolver: Resolver, udp: socket.socket) -> None:
    with suppress(OSError):
        while True:
            query, client = udp.recvfrom(65535)
            if not client:  # shut
                return
            resolver.resolve(query, socket.inet_aton(client[0]), False, partial(_send, udp, client))


def _send(udp: socket.socket, client: tuple[str, int], answer: bytes) -> None:
    with suppress(OSError):
        udp.sendto(answer, client)


def _tcp(resolver: Resolver, tcp: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, (address, _) = tcp.accept()
            with connection:
                length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL))
                query = connection.recv(length, socket.MSG_WAITALL)
                answers = ask_raw(resolver, query, client=socket.inet_aton(address), is_tcp=True)
                answer = answers.get(timeout=WITHIN)
                connection.sendall(len(answer).to_bytes(2) + answer)
