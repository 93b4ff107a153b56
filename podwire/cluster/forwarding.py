"""Local ports that lead to a pod's: each connection is joined to one that its supervisor makes in the pod."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from pod_runner.cluster.bodies import JsonObject, number, rows, text
from pod_runner.cluster.kinds import SERVICE
from pod_runner.supervisor import client
from podwire.cluster.endpoints import target_port

READ_AT_ONCE = 1 << 16
BACKLOG = 128
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Wish:
    """[LOCAL:]REMOTE as it was said; `local` None: as the remote one, 0: any."""

    local: int | None
    remote: str


@dataclass(frozen=True)
class Forwarded:
    """A port of ours, and where it leads."""

    listeners: tuple[socket.socket, ...]
    remote: int


def read_wish(said: str) -> Wish:
    """Read 8080:80, :80, 80, 8080:http. Raises CniError."""
    found = re.fullmatch(r"(?:(\d*):)?([a-z0-9][a-z0-9-]*)", said)
    if found is None or int(found[1] or 0) > 65535:
        raise CniError(INVALID_CONFIG, f"{said!r}: expected [LOCAL:]REMOTE, as 8080:80 or 8080:http")
    if found[1] is None and not found[2].isdigit():
        return Wish(0, found[2])
    return Wish(None if found[1] is None else int(found[1] or 0), found[2])


def pods_port(remote: str, by: JsonObject, pod: JsonObject) -> int:
    """Return which port of a pod is meant; a service says where its own lead. Raises CniError."""
    if text(by, "kind") == SERVICE.kind:
        for port in rows(by, "spec", "ports"):
            if remote in (str(number(port, "port")), text(port, "name")):
                return target_port(port, pod)
        raise CniError(NOT_AVAILABLE, f"service {text(by, 'metadata', 'name')} has no port {remote}")
    found = target_port({"targetPort": remote}, pod)
    if 0 < found < 65536:
        return found
    raise CniError(NOT_AVAILABLE, f"pod {text(pod, 'metadata', 'name')} has no port {remote}")


def listen(addresses: Sequence[str], port: int) -> tuple[socket.socket, ...]:
    """Return sockets that listen on one port of some addresses; 0: any. Raises CniError."""
    found: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, found[0].getsockname()[1] if found else port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            for one in found:
                one.close()
            raise CniError(
                NOT_AVAILABLE, f"{address}:{port} cannot be listened on: {error.strerror}"
            ) from error
        found.append(listener)
    return tuple(found)


def serve(path: Path, ports: Sequence[Forwarded], tell: Tell, until: int = -1) -> None:
    """Serve connections until Ctrl-C, or until the descriptor `until` can be read."""
    listening = {one.fileno(): (one, port.remote) for port in ports for one in port.listeners}
    with ExitStack() as stack:
        for listener, _ in listening.values():
            stack.enter_context(listener)
        while True:
            ready, _, _ = select.select([*listening, *([until] if until >= 0 else [])], [], [])
            if until in ready:
                return
            for listener, remote in [listening[one] for one in ready]:
                caller, _ = listener.accept()
                tell(f"Handling connection for {listener.getsockname()[1]}")
                threading.Thread(target=_join, args=(path, caller, remote, tell), daemon=True).start()


def _join(path: Path, caller: socket.socket, remote: int, tell: Tell) -> None:
    """Join a connection with one inside the pod, until both sides have ended."""
    with caller:
        try:
            inside = client.forward(path, remote)
        except (client.ControlError, OSError) as error:
            tell(f"port {remote}: {error}")
            return
        with inside:
            inside.settimeout(None)
            back = threading.Thread(target=_carry, args=(inside, caller), daemon=True)
            back.start()
            _carry(caller, inside)
            back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way; the end of one side's is told to the other, whose own may still come."""
    with suppress(OSError):  # a side has gone: the other one is told
        while data := source.recv(READ_AT_ONCE):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
