"""What the agents of a lab's nodes serve of services, and waiting for it: each is asked, until it is so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from podwire.agent.client import ask
from podwire.agent.protocol import SERVICES, ProtocolError, Request
from podwire.lab.blueprint import AGENT_SOCKET
from podwire.lab.errors import LabError
from podwire.lab.inside import root

LOOK = 0.005  # seconds between two looks: the agent answers in one, and a change takes it as long
PATIENCE = 10.0  # seconds for all nodes to know a change
LEAVE_PATIENCE = 5.0  # seconds; a node whose agent or registry is away does not hear of it at all
ANSWER = 5.0  # seconds for one answer of an agent


def ask_services(pid: int, question: str, of: str = "") -> Any:
    """Return what a node's agent says of its services; None if it does not answer, or knows no such one."""
    body = json.dumps({"ask": question, "of": of}).encode()
    try:
        reply = ask(root(pid, AGENT_SOCKET), Request(SERVICES, {}, body), timeout=ANSWER)
    except (OSError, ProtocolError):  # it is dead
        return None
    return json.loads(reply.stdout) if reply.status == 0 else None


def used_by(pid: int, service: str) -> set[str]:
    """Return the pods that a node leads a service's clients to; {} if it knows no such service."""
    shown = ask_services(pid, "show", service) or {"back_ends": ()}
    return {one["pod"] for one in shown["back_ends"] if one["share"]}


def await_used(nodes: Mapping[str, int], service: str, pods: Collection[str]) -> float:
    """Wait until all nodes lead a service's clients to just these pods; return how long that took.

    Raises:
        LabError: one does not after 10 s.
    """
    wanted = set(pods)
    return _await(nodes.values(), lambda pid: used_by(pid, service) == wanted, f"services lead to {service}")


def await_names(nodes: Mapping[str, int]) -> float:
    """Wait until the DNS server of all nodes is there. Raises LabError: one is not after 10 s."""

    def has_dns(pid: int) -> bool:
        return bool((ask_services(pid, "status") or {}).get("dns"))

    return _await(nodes.values(), has_dns, "names are served")


def await_left(nodes: Mapping[str, int], pods: Collection[str]) -> None:
    """Wait until nobody leads clients to some pods; as a kubelet, not for ever."""
    deadline = time.monotonic() + LEAVE_PATIENCE
    waiting = list(nodes.values()) if pods else []
    while waiting and time.monotonic() < deadline:
        waiting = [pid for pid in waiting if _all_used(pid) & set(pods)]
        if waiting:
            time.sleep(LOOK)


def _all_used(pid: int) -> set[str]:
    listed = ask_services(pid, "list") or ()
    return {pod for one in listed for pod in used_by(pid, f"{one['namespace']}/{one['name']}")}


def _await(pids: Iterable[int], is_so: Callable[[int], bool], what: str) -> float:
    began = time.monotonic()
    waiting = list(pids)
    while waiting := [pid for pid in waiting if not is_so(pid)]:
        if time.monotonic() - began > PATIENCE:
            raise LabError(f"not on all nodes {what}, after {PATIENCE:.0f} s")
        time.sleep(LOOK)
    return time.monotonic() - began
