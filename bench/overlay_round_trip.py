"""One byte there and back by TCP, again and again: a program of its own, so that it can be pinned.

`python overlay_round_trip.py serve` answers on port 7001; `python overlay_round_trip.py ask ADDRESS SECONDS`
prints the median in microseconds.
"""

from __future__ import annotations

import socket
import sys
import time

PORT = 7001


def serve() -> None:
    """Answer one caller until it leaves."""
    with socket.create_server(("0.0.0.0", PORT)) as listener:
        caller, _ = listener.accept()
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := caller.recv(1):
            caller.send(data)


def ask(address: str, seconds: float) -> float:
    """Return the median round trip, in microseconds."""
    deadline = time.monotonic() + 5.0
    while True:
        try:
            server = socket.create_connection((address, PORT), timeout=2)
            break
        except ConnectionRefusedError:  # it is starting
            if time.monotonic() > deadline:
                raise
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        server.send(b"x")
        server.recv(1)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1e6


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        print(ask(sys.argv[2], float(sys.argv[3])))
