"""A socket for questions to one part of podwire that runs without the agent: `podwire proxy`, `podwire dns`.

The agent's protocol, one question a connection, root's and our own user's alone. Callers are few, and wait
for each other.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from cni_spec.errors import IO_FAILURE, CniError
from podwire.agent.protocol import (
    HEADER,
    NOT_SERVED,
    ProtocolError,
    Reply,
    decode_request,
    encode_reply,
    read_header,
)

TIMEOUT = 10.0  # seconds for a caller to ask, and to take the answer
PEER = struct.Struct("=iII")  # ucred (unix(7), SO_PEERCRED)


@contextmanager
def answering(path: Path, questions: dict[str, Callable[[bytes], Reply]]) -> Iterator[None]:
    """Answer questions at a Unix socket while the block runs. Raises CniError: 5, it cannot be made."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen()
        except OSError as error:
            raise CniError(IO_FAILURE, f"no socket could be made at {path}: {error.strerror}") from error
        Thread(target=_serve, args=(listener, questions), name="questions", daemon=True).start()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # nobody was waiting
                listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, questions: dict[str, Callable[[bytes], Reply]]) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:  # it is closed
            return
        with caller:
            caller.settimeout(TIMEOUT)
            with suppress(OSError, ProtocolError):  # a caller's own trouble
                if _is_ours(caller):
                    caller.sendall(encode_reply(_answer(caller, questions)))


def _answer(caller: socket.socket, questions: dict[str, Callable[[bytes], Reply]]) -> Reply:
    request = decode_request(_read(caller, read_header(_read(caller, HEADER.size))))
    answer = questions.get(request.plugin)
    return answer(request.stdin) if answer is not None else Reply(NOT_SERVED)


def _read(caller: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = caller.recv(min(size - len(data), 1 << 16))
        if not part:
            raise ProtocolError("the caller went away")
        data += part
    return bytes(data)


def _is_ours(caller: socket.socket) -> bool:
    _, user, _ = PEER.unpack(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return user in (0, os.geteuid())
