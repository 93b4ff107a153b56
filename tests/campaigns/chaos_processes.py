"""The processes of the chaos campaign's pods: found by their folders and names, as this process sees them."""

from __future__ import annotations

import json
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from cni_plugins.registry import PLUGIN_TYPES
from pod_runner.cluster.bodies import JsonObject, table
from pod_runner.supervisor.order import ORDER, SOCKET

SPAWNER, SUPERVISOR = b"pod_runner.supervisor.spawner", "podwire-pod"  # arguments; a name by prctl(2)


def supervisor_of(folder: Path) -> int:
    """Return a pod's keeper, who listens for it, as this process sees it (unix(7), SO_PEERCRED).

    Whoever asks has it fork a worker, if it has none.
    """
    with socket.socket(socket.AF_UNIX) as caller, suppress(OSError):
        caller.settimeout(1.0)
        caller.connect(str(folder / SOCKET))
        return int(struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
    return 0


def worker_of(keeper: int) -> int:
    """Return who works for a keeper, 0 if nobody does."""
    with suppress(OSError):  # it has ended
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        return next((int(pid) for pid in children if name_of(int(pid)) == SUPERVISOR), 0)
    return 0


def has_container(folder: Path, container: str) -> bool:
    try:
        return f'"{container}"' in (folder / ORDER).read_text()
    except FileNotFoundError:  # the pod has just gone
        return False


def _state(folder: Path) -> JsonObject:
    with suppress(OSError, ValueError):
        body = json.loads((folder / "state.json").read_text())
        return body if isinstance(body, dict) else {}
    return {}


def pause_of(folder: Path) -> int:
    """Return the pid of a pod's pause process in its node, by its supervisor's record."""
    pid = _state(folder).get("pause", 0)
    assert isinstance(pid, int)
    return pid


def containers_of(folder: Path) -> list[int]:
    found_ = table(_state(folder), "containers")
    return [pid for one in found_.values() if isinstance(one, dict) and (pid := one.get("pid"))]


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # it is asked often


def name_of(pid: int) -> str:
    """Return a process's name, "" if it has ended; the machine's init may take its time to reap it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = stat.partition("(")[2].rpartition(") ")
    return "" if rest.startswith(("Z", "X")) else name


def plugin_of(pid: int) -> str:
    """Return which plugin a process is, "" if none: the launcher, or the Python that follows it."""
    if (name := name_of(pid)) in PLUGIN_TYPES:
        return name
    with suppress(OSError):
        if b"cni_plugins" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return "a plugin's Python"
    return ""
