"""The leases of a lab's nodes: read from what their agents tell plugins, and waited for by its coming."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from cluster_store.file_changes import FileChanges
from cni_spec.json_input import JsonObject
from overlay.opening import open_key_value, read_boot_id
from overlay.subnet import Subnet
from overlay.subnet_env import SubnetEnv, parse_subnet_env
from podwire.agent.settings import read_settings
from podwire.lab.blueprint import SUBNET_ENV
from podwire.lab.errors import LabError
from podwire.lab.folder import LabFolder
from podwire.lab.inside import Work, root

Tell = Callable[[str], None]

LEASE_DEADLINE = 60.0  # seconds from an agent's start to its lease, on a machine busy with others
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


def give_lease_back(node: str, pid: int) -> None:
    """Let a node that leaves give its lease back. Its agent has ended, or it would take it up again."""
    if (lease := lease_of(pid)) is not None:
        key = "&".join(f"{one.address}-{one.length}" for one in _first_of_families(lease))
        Work(f"the lease of {node}", pid, lambda: _release(key)).result()


def _release(key: str) -> JsonObject:
    settings = read_settings().overlay
    registry = open_key_value(settings, read_boot_id())
    try:
        registry.release(key, force=True)
    finally:
        registry.close()
    return {}


def _first_of_families(lease: SubnetEnv) -> list[Subnet]:
    """Return what the lease's key is made of: further blocks are leases of their own."""
    return [subnet for _, subnet in sorted({one.version: one for one in reversed(lease.subnets)}.items())]


def said(lease: SubnetEnv | None) -> str:
    """Say which subnets a lease has."""
    return ", ".join(str(one) for one in lease.subnets) if lease else "no lease"


def _give_up(nodes: list[str], folder: LabFolder) -> NoReturn:
    details = []
    for node in nodes:
        lines = _tail(folder.logs / f"{node}.log")
        details += [f"{node}: {line}" for line in lines]
    raise LabError(
        f"{', '.join(nodes)}: no lease after {LEASE_DEADLINE:.0f} s; podwire lab down takes the lab away",
        "\n".join(details),
    )


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:  # it printed nothing
        return []
