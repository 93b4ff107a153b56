"""What of a lab is alive: process 1 of its namespaces, found in /proc by the mark they were started with.

The mark is in the environment of whoever is process 1 of a pid namespace, and says lab, node and the mount
namespace of the one who made it: another /run/podwire is another machine, though we see its processes.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from podwire.lab.errors import LabError

MARK = "PODWIRE_LAB"
PROC = Path("/proc")
END_DEADLINE = 30.0  # seconds for a killed process to be gone; its namespaces take time to be emptied


@dataclass(frozen=True)
class Found:
    """The processes 1: of the lab (0: none), and of its nodes by name, in the order of their numbers."""

    lab: int
    nodes: dict[str, int]


def mark(name: str, node: str = "") -> str:
    """Return the mark's value."""
    return f"{name}/{node}@{_here()}"


def find(name: str) -> Found:
    """Look which process 1 are there."""
    begin, end = f"{MARK}={name}/".encode(), f"@{_here()}".encode()
    alive: dict[str, int] = {}
    for pid in _pids():
        for variable in _read(pid, "environ").split(b"\0"):
            if variable.startswith(begin) and variable.endswith(end) and _is_first(pid):
                alive[variable[len(begin) : -len(end)].decode()] = pid
    nodes = sorted((one for one in alive if one), key=lambda one: (len(one), one))
    return Found(alive.get("", 0), {one: alive[one] for one in nodes})


def namespaces_of(pids: Iterator[int] | list[int]) -> set[str]:
    """Return the network and mount namespaces that processes are in, but for our own."""
    ours = {_namespace(os.getpid(), kind) for kind in ("net", "mnt")}
    return {_namespace(pid, kind) for pid in pids for kind in ("net", "mnt")} - ours - {""}


def inhabitants(namespaces: set[str]) -> list[int]:
    """Return the processes that are in one of some network or mount namespaces; never this one."""
    return [pid for pid in _pids() if pid != os.getpid() and namespaces_of([pid]) & namespaces]


def below(first: int) -> list[int]:
    """Return the processes of the pid namespace of a process 1 and of those within it."""
    depth = len(_numbers(first))
    spaces = {_namespace(first, "pid")}
    found = []
    for pid in _pids():
        if len(_numbers(pid)) >= depth and (_namespace(pid, "pid") in spaces or _descends(pid, first)):
            found.append(pid)
    return found


def end(pids: list[int]) -> None:
    """Kill processes and wait until they are gone; a process 1 takes its pid namespace along.

    Raises:
        LabError: one did not end.
    """
    descriptors = {}
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended
            descriptors[os.pidfd_open(pid)] = pid
    try:
        for descriptor in descriptors:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        for descriptor, pid in descriptors.items():
            if not select.select([descriptor], [], [], END_DEADLINE)[0]:
                raise LabError(f"process {pid} was killed and has not ended within {END_DEADLINE:.0f} s")
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def is_in(pid: int, first: int) -> bool:
    """Tell whether a process is in the pid namespace of which `first` is process 1."""
    return _namespace(pid, "pid") == _namespace(first, "pid") != ""


def _descends(pid: int, ancestor: int) -> bool:
    seen = pid
    while seen > 1:
        if seen == ancestor:
            return True
        seen = _parent(seen)
    return False


def _parent(pid: int) -> int:
    return next((int(line.split()[1]) for line in _status(pid) if line.startswith("PPid:")), 0)


def _is_first(pid: int) -> bool:
    """Tell whether a process is number 1 of a pid namespace that is not ours."""
    numbers = _numbers(pid)
    return len(numbers) > 1 and numbers[-1] == "1"


def _numbers(pid: int) -> list[str]:
    """Return a process's numbers, from our pid namespace to its own (proc(5), NSpid)."""
    return next((line.split()[1:] for line in _status(pid) if line.startswith("NSpid:")), [])


def _status(pid: int) -> list[str]:
    return _read(pid, "status").decode(errors="replace").splitlines()


def _here() -> str:
    return (PROC / "self/ns/mnt").readlink().name


def _namespace(pid: int, kind: str) -> str:
    try:
        return str((PROC / str(pid) / "ns" / kind).readlink())
    except OSError:  # it has ended, or it is a zombie
        return ""


def _pids() -> list[int]:
    return [int(one) for one in os.listdir(PROC) if one.isdigit()]  # noqa: PTH208 - names, not files


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # it has ended
        return b""
