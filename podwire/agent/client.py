"""One question to an agent: what a launcher does, in Python. For status, top and tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from cni_plugins.background import agent_socket
from podwire.agent.protocol import Reply, Request, decode_reply, encode_request


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
