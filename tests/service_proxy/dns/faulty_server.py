"""A DNS server of the tests, with faults on demand. It answers what `answer` says, or does what it says."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.test. hostmaster.test. 1 7200 1800 86400 {minimum}"
Answering = Callable[[dns.message.Message, bool], bytes | list[bytes] | None]


def records(
    query: dns.message.Message, *data: str, ttl: int = 60, kind: str = "A", code: int = 0
) -> dns.message.Message:
    """Return an answer of one record set."""
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    answer.set_rcode(dns.rcode.Rcode(code))
    if data:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", kind, *data))
    return answer


def denial(query: dns.message.Message, minimum: int = 20, *, nodata: bool = False) -> dns.message.Message:
    """Return a "no" with its SOA."""
    answer = records(query, code=0 if nodata else 3)
    answer.authority.append(dns.rrset.from_text("test.", 300, "IN", "SOA", SOA.format(minimum=minimum)))
    return answer


@dataclass
class FaultyServer:
    """One address, UDP and TCP. `answer` may be changed while it runs; None from it is silence."""

    address: str
    port: int
    answer: Answering
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_tcp: int = 0
    queries: list[dns.message.Message] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)  # that UDP questions came from
    late: float = 0.0  # seconds until an answer by UDP

    def run(self, udp: socket.socket, tcp: socket.socket) -> list[threading.Thread]:
        """Serve until the sockets are shut."""
        threads = [
            threading.Thread(target=self._udp, args=(udp,), daemon=True),
            threading.Thread(target=self._tcp, args=(tcp,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        return threads

    def _udp(self, udp: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data, client = udp.recvfrom(65535)
                if not client:  # shut
                    return
                threading.Thread(target=self._reply, args=(udp, data, client), daemon=True).start()

    def _reply(self, udp: socket.socket, data: bytes, client: tuple[str, int]) -> None:
        self.ports.append(client[1])
        answer = self._take(data, False)
        if answer is None:
            return
        if self.late:
            time.sleep(self.late)  # this is the fault, not a wait for something
        with suppress(OSError):
            for one in answer if isinstance(answer, list) else [answer]:
                udp.sendto(one, client)

    def _tcp(self, tcp: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = tcp.accept()
                with connection:
                    head = connection.recv(2, socket.MSG_WAITALL)
                    data = connection.recv(int.from_bytes(head), socket.MSG_WAITALL)
                    if isinstance(answer := self._take(data, True), bytes):
                        connection.sendall(len(answer).to_bytes(2) + answer)

    def _take(self, data: bytes, is_tcp: bool) -> bytes | list[bytes] | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked[str(question.name), dns.rdatatype.to_text(question.rdtype)] += 1
        self.queries.append(query)
        self.by_tcp += is_tcp
        return self.answer(query, is_tcp)


@contextmanager
def serving(address: str, answer: Answering, port: int = 53) -> Iterator[FaultyServer]:
    """Run a server at an address of this namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((address, port))
        tcp.bind((address, port))
        tcp.listen(64)
        server = FaultyServer(address, port, answer)
        threads = server.run(udp, tcp)
        try:
            yield server
        finally:
            for one in (udp, tcp):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
