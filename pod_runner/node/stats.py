"""What pods use, read from cgroups and from /proc/PID/net/dev: nobody is asked or woken for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pod_runner.kernel.cgroup_files import Usage
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.removing import POD_CGROUP
from pod_runner.supervisor.state import read_state

# Positions in a line of /proc/net/dev, after the name (net/core/net-procfs.c)
RECEIVED, RECEIVED_PACKETS, RECEIVE_ERRORS, RECEIVE_DROPS = 0, 1, 2, 3
SENT, SENT_PACKETS, SEND_ERRORS, SEND_DROPS = 8, 9, 10, 11


class InterfaceUsage(NamedTuple):
    """The counters of one interface, as its pod sees them."""

    name: str
    received: int
    received_packets: int
    receive_errors: int
    receive_drops: int
    sent: int
    sent_packets: int
    send_errors: int
    send_drops: int


@dataclass(frozen=True)
class PodUsage:
    """What one pod uses: all of it, each container, and its interfaces but `lo`."""

    uid: str
    namespace: str
    name: str
    total: Usage
    containers: dict[str, Usage]
    interfaces: tuple[InterfaceUsage, ...]


def pod_usage(
    cgroups: Cgroups, parent: str, folder: Path, namespace: str, name: str, containers: Iterable[str]
) -> PodUsage:
    """Measure the pod of a folder; what has gone counts nothing."""
    uid = folder.name
    path = f"{parent}/{POD_CGROUP}{uid}"
    return PodUsage(
        uid,
        namespace,
        name,
        cgroups.usage(path),
        {one: cgroups.usage(f"{path}/{one}") for one in containers},
        tuple(_interfaces(read_state(folder).pause)),
    )


def _interfaces(pause: int) -> Iterable[InterfaceUsage]:
    try:
        return read_interfaces(Path(f"/proc/{pause}/net/dev").read_text()) if pause else ()
    except OSError:  # it ends just now
        return ()


def read_interfaces(text: str) -> list[InterfaceUsage]:
    """Read the text of /proc/PID/net/dev."""
    order = (RECEIVED, RECEIVED_PACKETS, RECEIVE_ERRORS, RECEIVE_DROPS,
             SENT, SENT_PACKETS, SEND_ERRORS, SEND_DROPS)  # fmt: skip
    found = []
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(one) for one in rest.split()]
        if name.strip() != "lo" and len(numbers) > SEND_DROPS:
            found.append(InterfaceUsage(name.strip(), *(numbers[place] for place in order)))
    return found
