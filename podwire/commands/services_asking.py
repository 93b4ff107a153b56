"""Questions to whatever serves services on this node: the agent, or a proxy or DNS server by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cni_spec.errors import NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from podwire.agent.client import ask as put
from podwire.agent.client import socket_path
from podwire.agent.protocol import NOT_SERVED, SERVICES, ProtocolError, Reply, Request

SocketOption = Annotated[
    Path | None,
    typer.Option("--socket", help="Whom to ask; by default the agent, `podwire proxy`, `podwire dns`."),
]
STANDALONE = Path("/run/podwire/services.sock")  # of `podwire proxy`
DNS_STANDALONE = Path("/run/podwire/dns.sock")  # of `podwire dns`, which may run beside it
TIMEOUT = 30.0  # seconds; 100,000 flows are counted in one


def ask_services(
    socket: Path | None, ask: str, of: str = "", suits: Callable[[Any], bool] = lambda _: True
) -> Any:
    """Return the first answer that suits, else the first one.

    Raises:
        CniError: 11 where nobody answers, 50 where nobody serves services.
    """
    question = Request(SERVICES, {}, json.dumps({"ask": ask, "of": of}).encode())
    replies: list[Reply | OSError | ProtocolError] = []
    found = []
    for path in [socket] if socket else [socket_path(), STANDALONE, DNS_STANDALONE]:
        replies.append(reply := _asked(path, question))
        if isinstance(reply, Reply) and reply.status != NOT_SERVED:
            body = json.loads(reply.stdout)
            if reply.status:
                raise CniError(int(body["code"]), str(body["msg"]), str(body.get("details", "")))
            if suits(body):
                return body
            found.append(body)
    if found:
        return found[0]
    if any(isinstance(one, Reply) for one in replies):
        raise CniError(
            NOT_AVAILABLE, "this agent serves no services: [proxy] enabled = true in /etc/podwire/agent.toml"
        )
    said = f"nobody answers at {socket or socket_path()}; start podwire-agent.service or `podwire proxy`"
    raise CniError(TRY_AGAIN_LATER, said, str(replies[0]))


def _asked(path: Path, question: Request) -> Reply | OSError | ProtocolError:
    try:
        return put(path, question, timeout=TIMEOUT)
    except (OSError, ProtocolError) as error:
        return error
