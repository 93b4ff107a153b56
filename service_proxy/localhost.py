"""NodePorts on 127.0.0.1 and ::1, carried by this process.

The kernel leads packets from 127.0.0.0/8 to other machines only with route_localnet, which also lets others
reach what listens there alone (CVE-2020-8558), and from ::1 never. So a listener takes such a connection
and makes another one to an endpoint. That is slower than the rules, and for who asks for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from cluster_store.conditions import Conditions
from linuxnet.packed import text_of
from service_proxy.background import Background
from service_proxy.localhost_tcp import open_tcp
from service_proxy.localhost_udp import open_udp
from service_proxy.model import Address

CONDITION = "LocalhostPortTaken"
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


class LocalPort(NamedTuple):
    """One NodePort on a family's loopback address."""

    family: int  # 4 or 6
    protocol: str  # tcp, udp; SCTP is left to who has it
    port: int

    def __str__(self) -> str:
        host = LOOPBACK[self.family]
        return f"{self.protocol} {f'[{host}]' if self.family == 6 else host}:{self.port}"


Targets = Sequence[tuple[Address, int]]  # slots as the maps have them: one is as likely as another
Place = tuple[str, int]  # as sockets take them


class Listener(Protocol):
    """An open port."""

    targets: Sequence[Place]

    async def close(self) -> None:
        """Close it, and what goes on through it."""


Opener = Callable[[socket.socket, Sequence[Place]], Coroutine[Any, Any, Listener]]


class LocalhostPorts:
    """The ports there are; used by one thread, while the connections live in `background`."""

    def __init__(self, background: Background, conditions: Conditions) -> None:
        self._background, self._conditions = background, conditions
        self._open: dict[LocalPort, Listener] = {}
        self._wanted: dict[LocalPort, tuple[Place, ...]] = {}

    def set(self, port: LocalPort, targets: Targets) -> None:
        """Have a port lead to these endpoints; with none of them connections are refused, as by the rules."""
        places = tuple((text_of(address), number) for address, number in targets)
        if port.protocol not in _OPENERS:
            return
        self._wanted[port] = places
        if not places:
            self._close(port)
        elif port in self._open:
            self._open[port].targets = places  # running connections stay where they are
        else:
            self._open_port(port, places)

    def drop(self, port: LocalPort) -> None:
        """Close a port; not open is fine."""
        self._wanted.pop(port, None)
        self._close(port)

    def keep_only(self, wanted: Mapping[LocalPort, Targets]) -> None:
        """Make these the ports there are."""
        for port in [port for port in self._wanted if port not in wanted]:
            self.drop(port)
        for port, targets in wanted.items():
            self.set(port, targets)

    def retry(self) -> None:
        """Try again to open what was taken."""
        for port, places in self._wanted.items():
            if places and port not in self._open:
                self._open_port(port, places)

    def close(self) -> None:
        """Close all."""
        self.keep_only({})

    def _open_port(self, port: LocalPort, places: tuple[Place, ...]) -> None:
        try:
            sock = _bound(port)
        except OSError as error:
            text = f"the NodePort cannot be opened on localhost: {error.strerror}"
            self._conditions.tell(CONDITION, text, about=str(port))
            return
        self._conditions.tell(CONDITION, "", about=str(port))
        self._open[port] = self._background.wait(_OPENERS[port.protocol](sock, places))

    def _close(self, port: LocalPort) -> None:
        self._conditions.tell(CONDITION, "", about=str(port))
        if listener := self._open.pop(port, None):
            self._background.wait(listener.close())


_OPENERS: Mapping[str, Opener] = {"tcp": open_tcp, "udp": open_udp}


def _bound(port: LocalPort) -> socket.socket:
    family = socket.AF_INET if port.family == 4 else socket.AF_INET6
    is_tcp = port.protocol == "tcp"
    sock = socket.socket(family, socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if is_tcp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK[port.family], port.port))
        if is_tcp:
            sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock
