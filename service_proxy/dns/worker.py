"""One of the processes that answer: `python -m service_proxy.dns.worker CONTROL UDP,TCP...`.

It is told everything over one socket, by an agent that has opened the others. When that socket ends, the
agent has, and so does this: nobody would tell it of changes any more. It may linger, though, and answer from
what it knows until the next agent's processes listen (`orphan`).
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from typing import Protocol, runtime_checkable

from service_proxy.dns.answers import Answers
from service_proxy.dns.counting import Snapshot
from service_proxy.dns.forward_figures import Sample
from service_proxy.dns.orphan import Orphan
from service_proxy.dns.server import Server
from service_proxy.dns.sockets import Pair
from service_proxy.dns.updates import LENGTH, Count, End, Setup, Update, apply, frame, frames
from service_proxy.dns.zone import Zone

READ = 1 << 20  # bytes
REPLY_TIMEOUT = 5.0  # seconds for an agent to take its figures


@runtime_checkable
class Counting(Protocol):
    """A resolver that counts what it does."""

    def samples(self) -> list[Sample]:
        """Return its figures."""


class Worker:
    """The server, and what it is told."""

    def __init__(self, control: socket.socket, pairs: list[Pair], setup: Setup) -> None:
        self.answers = Answers(Zone(setup.options), setup.serial)
        others = setup.open_resolver(self.answers.zone) if setup.open_resolver is not None else (None, None)
        self.server = Server(self.answers, pairs, *others)
        self._resolver = others[0]
        self._pairs, self._linger = pairs, setup.linger
        self._control = control
        self._coming = bytearray()
        self.server.watch(control.fileno(), self._listen)

    def _listen(self, _: int) -> None:
        try:
            came = self._control.recv(READ)
        except ConnectionResetError:  # the agent has died with something unread
            came = b""
        if not came:
            self._be_alone()
            return
        self._coming += came
        for message in frames(self._coming):
            if isinstance(message, Update):
                self._take(message)
            elif isinstance(message, End):
                self.server.stop()
            elif isinstance(message, Count):
                self._control.sendall(frame(self._snapshot()))

    def _be_alone(self) -> None:
        if not self._linger or not self.answers.is_complete:
            self.server.stop()
            return
        self.server.unwatch(self._control.fileno())
        orphan = Orphan(self._pairs[0].udp, self._linger)

        def look() -> None:
            if orphan.is_done():
                self.server.stop()

        self.server.each_second = look

    def _snapshot(self) -> Snapshot:
        seen = self.server.snapshot()
        if not isinstance(self._resolver, Counting):
            return seen
        return seen._replace(others={(one.name, one.labels): one.value for one in self._resolver.samples()})

    def _take(self, update: Update) -> None:
        apply(update, self.answers)
        if update.is_complete:
            gc.collect()
            gc.freeze()  # what is known stays: looking for cycles in it would be a pause


def receive_setup(control: socket.socket) -> Setup:
    """Wait for the first message.

    Raises:
        EOFError: the agent has ended before.
    """
    size = int.from_bytes(_receive(control, LENGTH), "big")
    setup = next(iter(frames(bytearray(size.to_bytes(LENGTH, "big") + _receive(control, size)))))
    assert isinstance(setup, Setup)
    return setup


def _receive(control: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        came = control.recv(size - len(parts))
        if not came:
            raise EOFError
        parts += came
    return bytes(parts)


def main(arguments: list[str]) -> int:
    """Serve until the agent ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C, and systemd, who tells the whole cgroup: both
        signal.signal(number, signal.SIG_IGN)  # are for the agent, which then ends this
    control = socket.socket(fileno=int(arguments[0]))
    control.settimeout(REPLY_TIMEOUT)
    pairs = [Pair(*(socket.socket(fileno=int(one)) for one in pair.split(","))) for pair in arguments[1:]]
    for one in (one for pair in pairs for one in pair):
        os.set_blocking(one.fileno(), False)
        one.setblocking(False)
    control.settimeout(None)
    try:
        setup = receive_setup(control)
    except EOFError:
        return 1
    control.settimeout(REPLY_TIMEOUT)
    try:
        Worker(control, pairs, setup).server.run()
    except (
        ConnectionError,
        TimeoutError,
    ):  # of the control socket: the agent has gone in the middle of a word
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
