"""One TCP connection between two pods: how much came across, how fast, and from which address it came."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass

from linuxnet.netns import inside, open_netns
from podwire.lab.pods import Pod

CHUNK = 1 << 18  # bytes at once
PATIENCE = 30.0  # seconds for the next bytes
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class Transfer:
    """What the receiver saw. `size` in bytes, `seconds` from the first call to the last byte."""

    size: int
    seconds: float
    source: str


def transfer(sender: Pod, receiver: Pod, size: int, version: int = 4) -> Transfer:
    """Send `size` bytes from one pod to another.

    Raises:
        OSError: there is no way, or nothing came for half a minute.
    """
    began = time.monotonic()
    with _socket_in(receiver, version) as listener, _socket_in(sender, version) as client:
        listener.bind((receiver.address(version), 0))
        listener.listen()
        client.connect(listener.getsockname()[:2])
        server, source = listener.accept()
        with server:
            server.settimeout(PATIENCE)
            sending = threading.Thread(target=_send, args=(client, size), daemon=True)
            sending.start()
            came = _count(server)
            sending.join()
    return Transfer(came, time.monotonic() - began, source[0])


def _socket_in(pod: Pod, version: int) -> socket.socket:
    netns = open_netns(str(pod.netns))
    try:
        with inside(netns):
            opened = socket.socket(FAMILIES[version], socket.SOCK_STREAM)
    finally:
        os.close(netns)
    opened.settimeout(PATIENCE)
    return opened


def _send(client: socket.socket, size: int) -> None:
    """Send and say that this was all; who hears less than it expects says so."""
    block = bytes(CHUNK)
    try:
        while size > 0:
            client.sendall(block[: min(size, CHUNK)])
            size -= CHUNK
        client.shutdown(socket.SHUT_WR)
    except OSError:  # the receiver tells what came
        client.close()


def _count(server: socket.socket) -> int:
    came = 0
    while chunk := server.recv(CHUNK):
        came += len(chunk)
    return came
