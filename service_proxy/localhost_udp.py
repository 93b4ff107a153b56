"""UDP to a NodePort of localhost: a client's datagrams go to one endpoint while it keeps sending."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

IDLE = 120.0  # seconds; nf_conntrack_udp_timeout_stream's default
FLOWS_MAX = 4096  # of one port; the one that has been idle longest makes room

Client = tuple[str, int]


class _Flow(asyncio.DatagramProtocol):
    """One client's way to its endpoint, and back."""

    def __init__(self, port: UdpListener, client: Client, target: tuple[str, int], first: bytes) -> None:
        self._port, self._client, self.target = port, client, target
        self._waiting: list[bytes] = [first]  # until the socket is there
        self._transport: asyncio.DatagramTransport | None = None
        self.used_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def send(self, data: bytes) -> None:
        """Carry a datagram to the endpoint."""
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.sendto(data)

    def datagram_received(self, data: bytes, _: object) -> None:
        """Carry an answer to the client."""
        self._port.answer(self._client, data)

    def error_received(self, _: Exception) -> None:
        """Forget an endpoint that refuses: the client's next datagram goes to another."""
        self._port.forget(self._client)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


class UdpListener(asyncio.DatagramProtocol):
    """One port. With other `targets` flows to those that are gone begin anew."""

    def __init__(self, targets: Sequence[tuple[str, int]]) -> None:
        self.targets = targets
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._flows: OrderedDict[Client, _Flow] = OrderedDict()  # least lately used first
        self._opening: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the clients."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Carry a client's datagram."""
        client, now = (address[0], address[1]), self._loop.time()
        self._end_idle(now)
        flow = self._flows.get(client)
        if flow is not None and flow.target not in self.targets:
            self.forget(client)
            flow = None
        if flow is None:
            flow = self._begin(client, data)
        else:
            flow.send(data)
        flow.used_at = now
        self._flows.move_to_end(client)

    def answer(self, client: Client, data: bytes) -> None:
        """Send an endpoint's answer."""
        if self._transport is not None:
            self._transport.sendto(data, client)

    def forget(self, client: Client) -> None:
        """End a client's flow."""
        if flow := self._flows.pop(client, None):
            flow.close()

    async def close(self) -> None:
        """Close the port and all that goes through it."""
        for client in list(self._flows):
            self.forget(client)
        if self._transport is not None:
            self._transport.close()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _begin(self, client: Client, first: bytes) -> _Flow:
        if len(self._flows) >= FLOWS_MAX:
            self.forget(next(iter(self._flows)))
        target = random.choice(self.targets)
        flow = self._flows[client] = _Flow(self, client, target, first)
        task = self._loop.create_task(self._connect(client, flow, target))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return flow

    async def _connect(self, client: Client, flow: _Flow, target: tuple[str, int]) -> None:
        try:
            await self._loop.create_datagram_endpoint(lambda: flow, remote_addr=target)
        except OSError:  # no route there: as if the datagram had been lost
            self.forget(client)
            return
        if self._flows.get(client) is not flow:  # ended meanwhile
            flow.close()

    def _end_idle(self, now: float) -> None:
        while self._flows:
            client, flow = next(iter(self._flows.items()))
            if now - flow.used_at < IDLE:
                return
            self.forget(client)


async def open_udp(sock: socket.socket, targets: Sequence[tuple[str, int]]) -> UdpListener:
    """Serve a bound socket."""
    listener = UdpListener(targets)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: listener, sock=sock)
    return listener
