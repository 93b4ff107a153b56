"""One node as a whole: what its kernel and its files show, and what its agent adds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from linuxnet.errors import KernelError
from linuxnet.netlink import Netlink
from pod_runner.cni.cache import ResultCache
from podwire.agent.client import ask
from podwire.agent.protocol import OVERLAY, STATUS, ProtocolError, Request
from podwire.map.links import look_at_links, look_at_overlay, look_at_tunnels
from podwire.map.model import Node, Way
from podwire.map.pods import pods_of, read_runner

RUNNER_PODS = Path("/run/podwire/pods")  # NodePlaces.pods, unless agent.toml says otherwise
TIMEOUT = 2.0  # seconds for an agent's answer; a map is drawn without it, too

Found = TypeVar("Found")


def look_at_node(name: str, socket: Path, cache: Path, runner: Path = RUNNER_PODS) -> Node:
    """Look at the network namespace of the calling thread; `name` "": as the overlay calls it."""
    remarks: list[str] = []
    netlink = Netlink()
    try:
        links = _tried(lambda: look_at_links(netlink), remarks)
        tunnels = _tried(lambda: look_at_tunnels(netlink, links), remarks)
        ways = _tried(lambda: look_at_overlay(netlink, links), remarks)
    finally:
        netlink.close()
    has_agent = _asked(socket, STATUS, "status") is not None
    status = _asked(socket, OVERLAY, "status") if has_agent else None
    peers = _asked(socket, OVERLAY, "peers") if status else None
    cached = ResultCache(cache).attachments()
    return Node(
        name=name or str((status or {}).get("node", "")), has_agent=has_agent, links=links, tunnels=tunnels,
        ways=tuple(_named(way, peers or ()) for way in ways),
        pods=pods_of(cached, links, read_runner(runner)), remarks=tuple(remarks),
    )  # fmt: skip


def _tried(look: Callable[[], tuple[Found, ...]], remarks: list[str]) -> tuple[Found, ...]:
    """Look; what this kernel refuses to show is a remark, and the rest is drawn."""
    try:
        return look()
    except KernelError as error:
        remarks.append(str(error))
        return ()


def _named(way: Way, peers: Any) -> Way:
    """Say whose subnet it is, as the overlay knows it."""
    for one in peers:
        if way.subnet in one.get("subnets", ()) or way.via in one.get("public", ()):
            return way.model_copy(update={"node": str(one["node"])})
    return way


def _asked(socket: Path, whom: str, what: str) -> Any:
    """Return the answer to a question, None where nobody has one."""
    try:
        reply = ask(socket, Request(whom, {}, json.dumps({"ask": what}).encode()), timeout=TIMEOUT)
        return None if reply.status else json.loads(reply.stdout)
    except (OSError, ProtocolError, ValueError):  # no agent, or one that is not ours: nothing is added
        return None
