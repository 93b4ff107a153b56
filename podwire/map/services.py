"""What a node's proxy serves, as values of a map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cni_spec.json_input import JsonObject
from podwire.agent.client import ask
from podwire.agent.protocol import SERVICES, ProtocolError, Request
from podwire.map.model import BackEnd, Service

TIMEOUT = 10.0  # seconds


def services_of(socket: Path) -> tuple[tuple[Service, ...], int] | None:
    """Return the first services by name, and how many more there are; None where nobody serves any."""
    try:
        reply = ask(socket, Request(SERVICES, {}, json.dumps({"ask": "map"}).encode()), timeout=TIMEOUT)
        if reply.status:
            return None
        body = json.loads(reply.stdout)
    except (OSError, ProtocolError, ValueError):  # no agent, or one that serves nothing
        return None
    found = tuple(service_of(one) for one in body["services"])
    return found, body["total"] - len(found)


def service_of(body: JsonObject) -> Service:
    """Return a service of what `service_proxy.reporting.leads` says of it."""
    ports: Any = body["ports"]
    back_ends: Any = body["back_ends"]
    addresses: Any = body["addresses"]
    return Service(
        namespace=str(body["namespace"]), name=str(body["name"]), type=str(body["type"]),
        addresses=tuple(addresses), ports=tuple(_port(one) for one in ports),
        back_ends=tuple(
            BackEnd(address=one["address"], pod=one["pod"], node=one["node"], is_ready=one["is_ready"])
            for one in back_ends
        ),
    )  # fmt: skip


def _port(one: Any) -> str:
    target = f" to {one['target']}" if one.get("target") not in (None, "", 0, one["port"]) else ""
    node_port = f", NodePort {one['node_port']}" if one.get("node_port") else ""
    return f"{one['port']}/{one['protocol'].upper()}{target}{node_port}"
