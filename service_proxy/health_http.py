"""As much HTTP/1.1 as a probe speaks: a request without a body, an answer, the end of the connection.

The answers look as those of kube-proxy's Go server, since load balancers' probes were written for them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

HEAD_LIMIT = 8192  # bytes
TIMEOUT = 5.0  # seconds for a whole request, and for its answer
BACKLOG = 128
JSON = ("Content-Type", "application/json")
NOT_SNIFFED = ("X-Content-Type-Options", "nosniff")
TEXT = ("Content-Type", "text/plain; charset=utf-8")


class HttpAnswer(NamedTuple):
    """What a probe is told."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = (JSON, NOT_SNIFFED)


Answering = Callable[[str], HttpAnswer]  # by path, without the query; called in the loop's thread
NOT_FOUND = HttpAnswer(404, "404 page not found\n", (TEXT, NOT_SNIFFED))


def open_listener(address: str, port: int) -> socket.socket:
    """Return a listening socket of this thread's namespace; "::" is every address of both families.

    Raises:
        OSError: the port is taken, or the address is not this node's.
    """
    if address == "::" and not has_ipv6():
        address = "0.0.0.0"
    is_six = ":" in address
    sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def has_ipv6() -> bool:
    """Tell whether this kernel speaks IPv6 at all (ipv6.disable=1)."""
    return Path("/proc/net/if_inet6").exists()


async def serve(sock: socket.socket, answer: Answering) -> asyncio.Server:
    """Answer whoever comes to a listening socket."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(
                OSError, TimeoutError, ValueError, asyncio.IncompleteReadError
            ):  # a bad probe's own
                await asyncio.wait_for(_exchange(reader, writer, answer), TIMEOUT)
        finally:
            writer.close()

    return await asyncio.start_server(connected, sock=sock, limit=HEAD_LIMIT)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answering) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        writer.write(_written(HttpAnswer(431, "", (TEXT,)), "GET"))
        await writer.drain()
        return
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        writer.write(_written(HttpAnswer(400, "400 Bad Request", (TEXT,)), "GET"))
    else:
        writer.write(_written(answer(words[1].partition("?")[0]), words[0]))
    await writer.drain()


def _written(answer: HttpAnswer, method: str) -> bytes:
    body = answer.body.encode()
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        *(f"{name}: {value}" for name, value in answer.headers),
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body)
