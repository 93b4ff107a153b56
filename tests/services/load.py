"""Load: clients that ask all the time, each request by a connection of its own; and connections that stay."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from tests.services.clients import Answer, Client, exchange
from tests.services.servers import TCP

PATIENCE = 3.0  # seconds: a SYN that was lost comes again after one, and that would count as a failure
LATE = 0.9  # seconds
PAUSE = 0.004  # seconds between requests of one client: others use the machine, too


class Load:
    """One client that asks an address; what went wrong is kept."""

    def __init__(
        self, client: Client, address: str, port: int, protocol: str = TCP, *, each: int = 4
    ) -> None:
        self._client, self._to, self._each = client, (address, port, protocol), each
        self.answered: Counter[str] = Counter()
        self.failed: list[Answer] = []
        self._good: Callable[[str], bool] = lambda who: who[0] in "ab" and not who.isalpha()
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(PAUSE):
            for answer in self._client.ask(*self._to, count=self._each, patience=LATE):
                self.answered[answer.who] += 1
                if not self._good(answer.who):
                    self.failed.append(answer)


@contextmanager
def under(loads: Sequence[Load]) -> Iterator[None]:
    """Keep loads going while the block runs; afterwards none of them may have seen a failure."""
    for load in loads:
        load.start()
    try:
        yield
    finally:
        for load in loads:
            load.stop()
    for load in loads:
        assert not load.failed, f"{len(load.failed)} of {load.answered.total()}: {load.failed[:5]}"


class Standing:
    """Connections that stay, and say something now and then: the same server must answer each time."""

    def __init__(self, client: Client, address: str, port: int, count: int) -> None:
        version = 6 if ":" in address else 4
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            sock = client.open(version)
            sock.settimeout(PATIENCE)
            sock.connect((address, port))
            self._sockets.append(sock)
        self._first = [exchange(sock, patience=PATIENCE) for sock in self._sockets]

    def check(self) -> None:
        """Have each say something: nobody may answer but who did so at first, to the same client."""
        now = [exchange(sock, patience=PATIENCE) for sock in self._sockets]
        assert now == self._first

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
