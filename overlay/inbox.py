"""What the registry's threads tell the node's loop: letters, and the box they are left in."""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from overlay.net_conf import NetConf
from overlay.record import NodeRecord
from overlay.registry import Changed, Nodes


@dataclass(frozen=True)
class Trouble:
    """A condition that began (`message`) or ended (""). `name` as in `conditions`."""

    name: str
    message: str


@dataclass(frozen=True)
class Leased:
    """This node's lease as the registry has it now."""

    record: NodeRecord


@dataclass(frozen=True)
class Grown:
    """One more block of this node's."""

    record: NodeRecord


@dataclass(frozen=True)
class Asked:
    """How long the registry took for something, in seconds."""

    what: str
    seconds: float


Letter = Nodes | Changed | NetConf | Trouble | Leased | Grown | Asked


class Inbox:
    """Letters from other threads, and a descriptor that can be waited on."""

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._in, self._out = socket.socketpair()
        for one in (self._in, self._out):
            one.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._out.fileno()

    def put(self, letter: Letter | None) -> None:
        """Leave a letter; None only wakes the reader."""
        if letter is not None:
            self._letters.append(letter)
        with suppress(BlockingIOError, OSError):  # full: it will be read anyway; closed: nobody is there
            self._in.send(b"\0")

    def take(self) -> list[Letter]:
        """Return what there is; does not wait."""
        with suppress(BlockingIOError):
            while self._out.recv(4096):
                pass
        found = []
        while self._letters:
            found.append(self._letters.popleft())
        return found

    def close(self) -> None:
        """Close the descriptors."""
        self._in.close()
        self._out.close()
