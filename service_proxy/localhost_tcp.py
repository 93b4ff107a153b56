"""TCP connections to a NodePort of localhost: each is joined with one to an endpoint, byte by byte."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

CONNECT_TIMEOUT = 30.0  # seconds
PIECE = 1 << 16  # bytes at once


class TcpListener:
    """One port. `targets` may be exchanged; connections there are go on."""

    def __init__(self, targets: Sequence[tuple[str, int]]) -> None:
        self.targets = targets
        self.server: asyncio.Server | None = None
        self._going_on: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def close(self) -> None:
        """Close the port. Connections end with it, as its service has gone from this node."""
        if self.server is not None:
            self.server.close()
        for task in self._going_on:
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = random.choice(self.targets)
        try:
            reaching = asyncio.open_connection(host, port, limit=PIECE)
            there, back = await asyncio.wait_for(reaching, CONNECT_TIMEOUT)
        except OSError:  # refused, no route, too late (TimeoutError is one): the client sees a reset
            _reset(writer)
            return
        except asyncio.CancelledError:
            _reset(writer)
            raise
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        except OSError:  # one side has reset: so is the other
            _reset(writer)
            _reset(back)
        finally:
            writer.close()
            back.close()


async def open_tcp(sock: socket.socket, targets: Sequence[tuple[str, int]]) -> TcpListener:
    """Serve a listening socket."""
    listener = TcpListener(targets)
    listener.server = await asyncio.start_server(listener.connected, sock=sock, limit=PIECE)
    return listener


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, and tell the other side of the end."""
    while data := await source.read(PIECE):
        sink.write(data)
        await sink.drain()
    with suppress(OSError):  # closed there already
        sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset (SO_LINGER of 0 seconds, socket(7)), not as if all had been said."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):  # gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
