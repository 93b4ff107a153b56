"""A client of a web server, as a program: `python -I -S asking.py HOST PORT COUNT [SOURCE..]`.

Each request is a connection of its own, and HOST is looked up for each by the system's resolver. COUNT 0:
until stdin ends. With sources each of these addresses asks so often. Prints a line of JSON for each source:
who answered how often, in which order, what failed, the longest in seconds. It imports nothing of ours.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter

PATIENCE = 5.0  # seconds for one request
FAILURES_TOLD = 10
ORDER_TOLD = 1000  # answers; a line is to stay small


class Asker:
    """Asks one server from one address, "" for whatever the kernel takes."""

    def __init__(self, host: str, port: int, source: str) -> None:
        self._where, self._source = (host, port), source
        self._answers: Counter[str] = Counter()
        self._order: list[str] = []
        self._failures: list[str] = []
        self._failed = 0
        self._longest = 0.0

    def ask(self) -> None:
        """Ask once, and note what came of it."""
        began = time.monotonic()
        try:
            who = self._request()
        except OSError as error:
            self._failed += 1
            if len(self._failures) < FAILURES_TOLD:
                self._failures.append(f"{error}")
        else:
            self._answers[who] += 1
            if len(self._order) < ORDER_TOLD:
                self._order.append(who)
        self._longest = max(self._longest, time.monotonic() - began)

    def told(self) -> str:
        """Return all that was noted."""
        return json.dumps(
            {
                "source": self._source, "answers": self._answers, "order": self._order,
                "failed": self._failed, "failures": self._failures, "longest": self._longest,
            }
        )  # fmt: skip

    def _request(self) -> str:
        """Return the first word of the answer. Raises OSError."""
        source = (self._source, 0) if self._source else None
        with socket.create_connection(self._where, PATIENCE, source) as server:
            server.sendall(f"GET / HTTP/1.1\r\nHost: {self._where[0]}\r\nConnection: close\r\n\r\n".encode())
            parts = []
            while part := server.recv(4096):
                parts.append(part)
        head, found, body = b"".join(parts).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or not found or not body.endswith(b"\n"):
            raise ConnectionError(f"no whole answer: {head[:80]!r}")
        return body.split()[0].decode()


def main(host: str, port: int, count: int, *sources: str) -> None:
    """Ask, and tell."""
    for source in sources or ("",):
        asker = Asker(host, port, source)
        if count:
            for _ in range(count):
                asker.ask()
        else:
            while not select.select([sys.stdin], [], [], 0)[0]:
                asker.ask()
        print(asker.told(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
