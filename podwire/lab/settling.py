"""Waiting until the nodes of a lab serve what they should: agents are asked, the kernel has the last word."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from linuxnet.errors import KernelError
from linuxnet.netns import inside, open_netns
from linuxnet.packed import packed
from linuxnet.service_entries import Entry, kind_of
from linuxnet.service_table import ServiceTable
from podwire.agent.client import ask
from podwire.agent.protocol import SERVICES, ProtocolError, Request
from podwire.lab.blueprint import AGENT_SOCKET
from podwire.lab.errors import LabError
from podwire.lab.inside import root
from podwire.lab.pods import Pod

LOOK = 0.005  # seconds between two looks: one takes about as long
PATIENCE = 10.0  # seconds for all nodes to know a change
LEAVE_PATIENCE = 5.0  # seconds; a node whose agent or registry is away does not hear of it at all
ANSWER = 5.0  # seconds for one answer of an agent
BYTES = {4: 4, 6: 16}  # of an address
TARGETS = frozenset({"endpoints", "nodeport_endpoints", "hashed", "nodeport_hashed"})  # kinds of maps


def ask_services(pid: int, question: str, of: str = "") -> Any:
    """Return what a node's agent says of its services; None if it does not answer, or knows no such one."""
    body = json.dumps({"ask": question, "of": of}).encode()
    try:
        reply = ask(root(pid, AGENT_SOCKET), Request(SERVICES, {}, body), timeout=ANSWER)
    except (OSError, ProtocolError):  # it is dead
        return None
    return json.loads(reply.stdout) if reply.status == 0 else None


def entries_of(pid: int) -> set[Entry]:
    """Return what a node's kernel has of services; nothing, if it has no table for them."""
    netns = open_netns(f"/proc/{pid}/ns/net")
    try:
        with inside(netns):
            table = ServiceTable()
        try:
            return table.dump()
        except KernelError:  # no table yet, or the agent changes it just now
            return set()
        finally:
            table.close()
    finally:
        os.close(netns)


def targets(entries: Iterable[Entry], front: bytes = b"") -> set[bytes]:
    """Return the addresses of endpoints that clients are led to; with `front`, those of that address."""
    found = set()
    for entry in entries:
        kind, family = kind_of(entry.name)
        if kind in TARGETS and entry.key.startswith(front):
            found.add(entry.data[: BYTES[family]])
    return found


def await_used(nodes: Mapping[str, int], service: str, pods: Iterable[Pod]) -> str:
    """Wait until all nodes lead a service's clients to just these pods; return the service's address.

    Raises:
        LabError: one does not after 10 s.
    """
    wanted = {packed(pod.addresses[0]) for pod in pods}
    address = ""

    def leads(pid: int) -> bool:
        nonlocal address
        address = address or ((ask_services(pid, "show", service) or {}).get("addresses") or [""])[0]
        return bool(address) and targets(entries_of(pid), packed(address)) == wanted

    _await(nodes.values(), leads, f"clients of {service} are led to its pods")
    return address


def await_entries(nodes: Mapping[str, int], is_so: Callable[[set[Entry]], bool], what: str) -> None:
    """Wait until the kernels of all nodes have what they should. Raises LabError: one has not after 10 s."""
    _await(nodes.values(), lambda pid: is_so(entries_of(pid)), what)


def await_names(nodes: Mapping[str, int]) -> None:
    """Wait until the DNS servers of all nodes are there. Raises LabError: one is not after 10 s."""
    _await(
        nodes.values(), lambda pid: bool((ask_services(pid, "status") or {}).get("dns")), "names are served"
    )


def await_left(nodes: Mapping[str, int], addresses: Collection[str]) -> None:
    """Wait until nobody leads clients to some pods; not for ever: a kubelet would not, either."""
    gone = {packed(one) for one in addresses}
    deadline = time.monotonic() + LEAVE_PATIENCE
    waiting = list(nodes.values()) if gone else []
    while waiting := [pid for pid in waiting if targets(entries_of(pid)) & gone]:
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK)


def _await(pids: Iterable[int], is_so: Callable[[int], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = list(pids)
    while waiting := [pid for pid in waiting if not is_so(pid)]:
        if time.monotonic() > deadline:
            raise LabError(f"it is not so on all nodes, after {PATIENCE:.0f} s: {what}")
        time.sleep(LOOK)
