"""One question to an agent: what a launcher does, in Python. For status, top and tests."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cni_plugins.background import agent_socket
from cni_spec.errors import TRY_AGAIN_LATER, CniError
from podwire.agent.protocol import STATUS, ProtocolError, Reply, Request, decode_reply, encode_request

Status = dict[str, Any]  # as `podwire.agent.status.describe` makes it


def socket_path() -> Path:
    """Return where this user's launchers look for the agent."""
    return agent_socket(os.environ)


def ask(path: Path, request: Request, descriptors: Sequence[int] = (), *, timeout: float = 120) -> Reply:
    """Send a request and return the answer. `timeout` in seconds.

    Raises:
        OSError: nobody listens there, or the time is over.
        ProtocolError: what came is no answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as agent:
        agent.settimeout(timeout)
        agent.connect(str(path))
        data = encode_request(request)
        sent = socket.send_fds(agent, [data], descriptors) if descriptors else 0
        if rest := data[sent:]:  # sending nothing fails where it has answered already
            agent.sendall(rest)
        parts = []
        while part := agent.recv(1 << 16):
            parts.append(part)
    return decode_reply(b"".join(parts))


def read_status(path: Path) -> Status:
    """Return the status of the agent at a socket.

    Raises:
        CniError: code 11, if none answers there, or one that lacks descriptors to look at itself.
    """
    try:
        reply = ask(path, Request(STATUS, {}, b""), timeout=5)
        body: Status = json.loads(reply.stdout)
    except (OSError, ProtocolError, ValueError) as error:
        raise CniError(
            TRY_AGAIN_LATER,
            f"no agent answers at {path}; `podwire agent`, podwire-agent.service or the next ADD starts one",
            str(error),
        ) from error
    if reply.status != 0:
        raise CniError(TRY_AGAIN_LATER, f"the agent at {path} said: {body.get('msg')}")
    return body
