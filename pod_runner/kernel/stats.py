"""Network counters of a pod, from what its network namespace shows (proc(5), /proc/PID/net)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Traffic(NamedTuple):
    """What an interface has carried since it was made."""

    received_bytes: int
    received_packets: int
    received_errors: int
    received_dropped: int
    sent_bytes: int
    sent_packets: int
    sent_errors: int
    sent_dropped: int


def traffic(pid: int) -> dict[str, Traffic]:
    """Return the interfaces of a process's network namespace but `lo`; none where the process has gone."""
    try:
        text = Path(f"/proc/{pid}/net/dev").read_text()
    except OSError:  # ENOENT, or ESRCH while it ends
        return {}
    found = (line.partition(":") for line in text.splitlines()[2:])
    return {name.strip(): _counters(rest) for name, _, rest in found if name.strip() != "lo"}


def accepted(pid: int) -> int:
    """Return how many TCP connections were accepted in a process's network namespace; 0 where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
    except OSError:  # ENOENT, or ESRCH while it ends
        return 0
    names, numbers = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(dict(zip(names, numbers, strict=True))["PassiveOpens"])


def _counters(fields: str) -> Traffic:
    numbers = [int(one) for one in fields.split()]
    return Traffic(*numbers[:4], *numbers[8:12])
