"""Traffic between pods: everybody asks everybody, a packet each millisecond, a stream of TCP.

Sockets are opened inside the pods' namespaces and used from the test's own threads.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import permutations
from threading import Event, Thread

from linuxnet.netns import inside, open_netns
from tests.overlay.machines import Pod

PORT = 7007
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
TCP_INFO_RETRANSMITTED = 100  # offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h)


def socket_in(
    netns: str, kind: int = socket.SOCK_DGRAM, version: int = 4, bind: tuple[str, int] | None = None
) -> socket.socket:
    """Open a socket in a named namespace."""
    descriptor = open_netns(f"/run/netns/{netns}")
    try:
        with inside(descriptor):
            sock = socket.socket(FAMILIES[version], kind)
            if bind is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(bind)
    finally:
        os.close(descriptor)
    return sock


def silent_pairs(pods: Sequence[Pod], within: float = 0.3) -> list[str]:
    """Have every pod send to every other; return who was not heard, or not by its own address."""
    sockets = {
        (pod.netns, version): socket_in(pod.netns, version=version, bind=(address, PORT))
        for pod in pods
        for version, address in pod.addresses.items()
    }
    missing = {
        (to.addresses[version], one.addresses[version]): f"{one.netns} -> {to.netns} (IPv{version})"
        for one, to in permutations(pods, 2)
        for version in one.addresses.keys() & to.addresses.keys()
    }
    strange = []
    for one, to in permutations(pods, 2):
        for version in one.addresses.keys() & to.addresses.keys():
            sockets[one.netns, version].sendto(b"hello", (to.addresses[version], PORT))
    end = time.monotonic() + within
    while missing and (left := end - time.monotonic()) > 0:
        for sock in select.select(list(sockets.values()), [], [], left)[0]:
            here, (sender, port, *_) = sock.getsockname()[0], sock.recvfrom(64)[1]
            if port != PORT or missing.pop((here, sender), None) is None:
                strange.append(f"{here} was called by {sender}:{port}")
    for sock in sockets.values():
        sock.close()
    return [*missing.values(), *strange]


@dataclass
class Flow:
    """A packet each millisecond there and back, numbered. What did not come back is lost."""

    one: Pod
    other: Pod
    version: int = 4
    sent: int = 0
    back: set[int] = field(default_factory=set)
    _stopped: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        here, there = self.one.addresses[self.version], self.other.addresses[self.version]
        self._asker = socket_in(self.one.netns, version=self.version, bind=(here, 0))
        self._echo = socket_in(self.other.netns, version=self.version, bind=(there, PORT + 1))
        self._asker.connect((there, PORT + 1))
        for sock in (self._asker, self._echo):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.setblocking(False)
        self._threads = [Thread(target=one, daemon=True) for one in (self._ask, self._answer)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._stopped.is_set():
            with suppress(
                OSError
            ):  # an ICMP error of before, or no route: what was to be sent counts as lost
                self._asker.send(struct.pack("!Q", self.sent))
            self.sent += 1
            self._read(0.001)

    def _read(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while select.select([self._asker], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                self.back.add(struct.unpack("!Q", self._asker.recv(64))[0])
            except OSError:  # an ICMP error
                continue

    def _answer(self) -> None:
        while not self._stopped.is_set():
            if select.select([self._echo], [], [], 0.1)[0]:
                payload, sender = self._echo.recvfrom(64)
                self._echo.sendto(payload, sender)

    def end(self) -> int:
        """Stop, wait for what is under way, and return how many were lost."""
        self._stopped.set()
        self._threads[0].join()
        end = time.monotonic() + 1.0
        while len(self.back) < self.sent and time.monotonic() < end:
            self._read(0.05)
            while select.select([self._echo], [], [], 0)[0]:
                payload, sender = self._echo.recvfrom(64)
                self._echo.sendto(payload, sender)
        self._threads[1].join()
        self._asker.close()
        self._echo.close()
        return self.sent - len(self.back)

    def lost_now(self) -> list[int]:
        """Return the numbers that did not come back, for a message."""
        return sorted(set(range(self.sent)) - self.back)


class Stream:
    """A connection of TCP that sends a little every millisecond; what arrives is counted."""

    def __init__(self, one: Pod, other: Pod, version: int = 4) -> None:
        there = (other.addresses[version], PORT + 2)
        listener = socket_in(other.netns, socket.SOCK_STREAM, version, bind=there)
        listener.listen()
        self._sender = socket_in(one.netns, socket.SOCK_STREAM, version)
        self._sender.settimeout(5)
        self._sender.connect(there)
        self._receiver = listener.accept()[0]
        listener.close()
        self.sent = self.arrived = 0
        self.longest_gap = 0.0
        self._stopped = Event()
        self._threads = [Thread(target=act, daemon=True) for act in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stopped.wait(0.001):
            self.sent += self._sender.send(bytes(4000))

    def _receive(self) -> None:
        last = time.monotonic()
        while data := self._receiver.recv(1 << 16):
            now = time.monotonic()
            self.longest_gap, last = max(self.longest_gap, now - last), now
            self.arrived += len(data)

    def end(self) -> int:
        """Stop; return how many segments were sent again."""
        self._stopped.set()
        self._threads[0].join()
        self._sender.shutdown(socket.SHUT_WR)
        self._threads[1].join(10)
        info = self._sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self._sender.close()
        self._receiver.close()
        assert self.arrived == self.sent, f"{self.sent} bytes sent, {self.arrived} arrived"
        return int(struct.unpack_from("=I", info, TCP_INFO_RETRANSMITTED)[0])


@contextmanager
def no_packet_lost(one: Pod, other: Pod) -> Iterator[None]:
    """Have a flow and a stream run while something happens: no packet is lost, and the stream does not stall.

    A segment may be sent again without being lost: it is overtaken where the way changes.
    """
    flow, stream = Flow(one, other), Stream(one, other)
    try:
        yield
    finally:
        lost, again = flow.end(), stream.end()
    said = f"{lost} of {flow.sent} packets lost {flow.lost_now()[:10]}, {again} segments sent again"
    print(f"{said}; longest gap of the stream {stream.longest_gap * 1000:.0f} ms")
    assert lost == 0, said
    assert stream.longest_gap < 1.0, said


def speed(one: Pod, other: Pod, version: int = 4, seconds: float = 0.4) -> float:
    """Return how many bytes a second one connection of TCP carries, as fast as it can."""
    there = (other.addresses[version], PORT + 3)
    listener = socket_in(other.netns, socket.SOCK_STREAM, version, bind=there)
    listener.listen()
    sender = socket_in(one.netns, socket.SOCK_STREAM, version)
    sender.settimeout(5)
    sender.connect(there)
    receiver = listener.accept()[0]
    arrived = [0]

    def receive() -> None:
        with suppress(ConnectionResetError):  # the sender has had enough
            while data := receiver.recv(1 << 20):
                arrived[0] += len(data)

    thread = Thread(target=receive, daemon=True)
    thread.start()
    began, chunk = time.monotonic(), bytes(1 << 18)
    while time.monotonic() - began < seconds:
        sender.send(chunk)
    took, got = time.monotonic() - began, arrived[0]
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sender.close()
    thread.join(5)
    receiver.close()
    listener.close()
    return got / took


def heard_from(
    sender: socket.socket, receiver: socket.socket, to: tuple[str, int], within: float = 0.5
) -> str | None:
    """Send a packet; return the address it was seen from, None if it was not seen."""
    sender.sendto(b"who am I", to)
    if not select.select([receiver], [], [], within)[0]:
        return None
    return str(receiver.recvfrom(64)[1][0])
