"""The leases of a lab's nodes: read from what their agents tell plugins, and waited for by its coming."""

from __future__ import annotations

import json
import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from cluster_store.file_changes import FileChanges
from overlay.subnet_env import SubnetEnv, parse_subnet_env
from podwire.agent.client import ask
from podwire.agent.protocol import OVERLAY, ProtocolError, Request
from podwire.lab.blueprint import AGENT_SOCKET, SUBNET_ENV
from podwire.lab.errors import LabError
from podwire.lab.folder import LabFolder
from podwire.lab.inside import root

Tell = Callable[[str], None]

LEASE_DEADLINE = 60.0  # seconds from an agent's start to its lease, on a machine busy with others
LEAVE_DEADLINE = 20.0  # seconds for a node to give back its lease and take away its tunnels
LOG_LINES = 12  # of an agent's log, where there is no lease


def lease_of(pid: int) -> SubnetEnv | None:
    """Return what a node's agent tells plugins; None as long as it has no lease."""
    try:
        return parse_subnet_env(root(pid, SUBNET_ENV).read_text())
    except (OSError, ValueError):  # not yet, or the node has gone
        return None


def await_leases(nodes: Mapping[str, int], folder: LabFolder, tell: Tell) -> dict[str, SubnetEnv]:
    """Wait until every node has a lease, and return them.

    Raises:
        LabError: one has none after a minute; the details are the end of its agent's log.
    """
    leases: dict[str, SubnetEnv] = {}
    deadline = time.monotonic() + LEASE_DEADLINE
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for pid in nodes.values():
            changes = FileChanges(root(pid, SUBNET_ENV).parent)
            stack.callback(changes.close)
            selector.register(changes.fd, selectors.EVENT_READ, changes)
        while True:
            for node in [one for one in nodes if one not in leases]:
                if lease := lease_of(nodes[node]):
                    leases[node] = lease
                    tell(f"{node} has {said(lease)}")
            left = deadline - time.monotonic()
            if len(leases) == len(nodes):
                return leases
            if left <= 0:
                _give_up([one for one in nodes if one not in leases], folder)
            for key, _ in selector.select(left):
                key.data.take()


def give_lease_back(pid: int) -> str:
    """Have a node's agent take it out of the network; return why its lease stays, "" if it was given back."""
    question = Request(OVERLAY, {}, json.dumps({"ask": "leave", "of": "force"}).encode())
    try:
        reply = ask(root(pid, AGENT_SOCKET), question, timeout=LEAVE_DEADLINE)
    except (OSError, ProtocolError) as error:
        return f"its agent does not answer: {error}"
    return reply.stdout.decode(errors="replace") if reply.status else ""


def said(lease: SubnetEnv | None) -> str:
    """Say which subnets a lease has."""
    return ", ".join(str(one) for one in lease.subnets) if lease else "no lease"


def _give_up(nodes: list[str], folder: LabFolder) -> NoReturn:
    details = []
    for node in nodes:
        lines = _tail(folder.logs / f"{node}.log")
        details += [f"{node}: {line}" for line in lines]
    raise LabError(
        f"{', '.join(nodes)}: no lease after {LEASE_DEADLINE:.0f} s; the logs are in {folder.logs}",
        "\n".join(details),
    )


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:  # it printed nothing
        return []
