"""A process without an agent: how long it goes on.

An agent that is killed is started again, and knows all services a second or two later. Meanwhile an answer
that may be a little old is better than none: resolvers give up at a port that nobody listens at. The next
agent's processes listen at the same address (SO_REUSEPORT): the kernel shows them, and nobody has to be told.
"""

from __future__ import annotations

import socket
from pathlib import Path
from time import monotonic

HANDOVER = 5.0  # seconds from the next one's sockets until it knows everything, or gives up waiting


class Orphan:
    """One such process. `udp` is a socket of it, `linger` how long nobody else need listen, in seconds."""

    def __init__(self, udp: socket.socket, linger: float) -> None:
        self._family = udp.family
        self._name = _proc_name(udp)
        self._listeners = self._count()  # with its siblings, who are orphans too
        self._deadline = monotonic() + linger
        self._successor: float | None = None  # since when there is one

    def is_done(self) -> bool:
        """Tell whether it may end: others listen and know, or nobody came."""
        now = monotonic()
        if self._successor is None and self._count() > self._listeners:
            self._successor = now
        return now > self._deadline or (self._successor is not None and now > self._successor + HANDOVER)

    def _count(self) -> int:
        table = "udp" if self._family == socket.AF_INET else "udp6"
        lines = Path("/proc/thread-self/net", table).read_text().splitlines()[1:]
        return sum(line.split()[1] == self._name for line in lines)


def _proc_name(udp: socket.socket) -> str:
    """Return a socket's address as /proc/net/udp writes it: 32-bit words in the machine's order, in hex."""
    where, port = udp.getsockname()[:2]
    raw = socket.inet_pton(udp.family, where)
    words = (int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4))
    return "".join(f"{one:08X}" for one in words) + f":{port:04X}"
