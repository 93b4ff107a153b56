"""The processes that answer, from the agent's side: started, told, counted, started again.

Processes and not threads: one interpreter runs one thread at a time, and an agent that is busy with ten
pods would make each answer wait for its turn (5 ms; bench/dns.py has the figures). The agent opens the
sockets and keeps them, so that queries to a process that has died wait for the next one.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from threading import Lock
from time import monotonic

from service_proxy.dns.counting import NOTHING, Snapshot
from service_proxy.dns.sockets import Pair
from service_proxy.dns.updates import LENGTH, Count, End, Setup, Update, frame, frames

TIMEOUT = 5.0  # seconds for a process to take what it is told, or to say its figures
REST = 1.0  # seconds between two starts of one process

log = logging.getLogger("service_proxy.dns")


class Worker:
    """One process."""

    def __init__(self, pairs: list[Pair], setup: Setup) -> None:
        self.pairs = pairs
        self.is_new = True  # it was told nothing yet
        self.last = NOTHING
        self._setup = setup
        self._lock = Lock()  # of the socket: figures are asked for by others than tell
        self._started = monotonic()
        self._start()

    @property
    def pid(self) -> int:
        """The process' number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def restart(self) -> bool:
        """Start it again, if it was not just started; then it must be told everything."""
        if monotonic() < self._started + REST:
            return False
        status = self._process.wait()
        log.warning("a DNS process (%d) has ended with status %d; it is started again", self.pid, status)
        self._control.close()
        self._started = monotonic()
        self._start()
        self.is_new = True
        return True

    def tell(self, data: bytes) -> None:
        """Send it something; if it takes nothing, it is ended."""
        try:
            with self._lock:
                self._control.sendall(data)
        except OSError as error:  # it has died, or hangs
            log.warning("a DNS process (%d) cannot be told anything: %s", self.pid, error)
            self._process.kill()

    def count(self) -> Snapshot:
        """Return its figures; those it had last if it does not say them."""
        buffer = bytearray()
        try:
            with self._lock:
                self._control.sendall(frame(Count()))
                while len(buffer) < LENGTH or len(buffer) < LENGTH + int.from_bytes(buffer[:LENGTH], "big"):
                    came = self._control.recv(1 << 16)
                    if not came:
                        return self.last
                    buffer += came
        except OSError as error:  # as above
            log.warning("a DNS process (%d) does not say its figures: %s", self.pid, error)
            return self.last
        said = next(frames(buffer))
        assert isinstance(said, Snapshot)
        self.last = said
        return said

    def end(self) -> None:
        """End it."""
        self.tell(frame(End()))
        self._control.close()
        try:
            self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(TIMEOUT)
        with theirs:
            descriptors = [theirs.fileno(), *(one.fileno() for pair in self.pairs for one in pair)]
            names = [f"{pair.udp.fileno()},{pair.tcp.fileno()}" for pair in self.pairs]
            command = [
                sys.executable,
                "-m",
                __name__.replace("workers", "worker"),
                str(theirs.fileno()),
                *names,
            ]
            self._process = subprocess.Popen(
                command, pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        self.tell(frame(self._setup))


class Workers:
    """All of them. `pairs` are the sockets of each."""

    def __init__(self, pairs: Iterable[list[Pair]], setup: Setup) -> None:
        self._workers = [Worker(one, setup) for one in pairs]

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    def tend(self) -> bool:
        """Start those again that have ended; tell whether any must be told everything."""
        for one in self._workers:
            if not one.is_alive:
                one.restart()
        return any(one.is_new for one in self._workers)

    def tell(self, updates: Iterable[Update]) -> None:
        """Tell all of them what has changed."""
        for update in updates:
            data = frame(update)
            for one in self._workers:
                one.tell(data)

    def count(self) -> Snapshot:
        """Return the figures of all together."""
        return sum((one.count() for one in self._workers), NOTHING)

    def end(self) -> None:
        """End all of them."""
        for one in self._workers:
            one.end()
