"""What of a lab is alive: process 1 of its namespaces, found in /proc by the mark they were started with.

The mark is in the environment of whoever is process 1 of a pid namespace, and says lab, node and the mount
namespace of the one who made it: another /run/podwire is another machine, though we see its processes. A lab
whose maker's mount namespace has gone is anybody's who names it. Another user's labs are that user's.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from podwire.lab.errors import LabError

MARK = "PODWIRE_LAB"
PROC = Path("/proc")
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # include/linux/proc_ns.h: PROC_PID_INIT_INO
EXECVE_DEADLINE = 1.0  # seconds for an execve(2) that others delay
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
    begin = f"{MARK}={name}/".encode()
    alive: dict[str, int] = {}
    for pid in _pids():
        for variable in _environment(pid).split(b"\0"):
            if variable.startswith(begin) and _is_first(pid):
                node, _, home = variable[len(begin) :].decode(errors="replace").partition("@")
                if _is_ours(home):
                    alive[node] = pid
    nodes = sorted((one for one in alive if one), key=lambda one: (len(one), one))
    return Found(alive.get("", 0), {one: alive[one] for one in nodes})


def machine_of(pid: int = 0) -> str:
    """Return from which machine inside the machine a lab's process was made, or this one would be.

    It is the number of a mount namespace; "" is the machine's own, that of its process 1. What labs have
    outside their namespaces, their cgroups, is told apart by it: agents collect what is not theirs there.
    """
    begin = f"{MARK}=".encode()
    marks = [one for one in _environment(pid).split(b"\0") if one.startswith(begin)] if pid else []
    home = marks[0].decode(errors="replace").partition("@")[2] if marks else _here()
    is_machine = home == _namespace(1, "mnt") and _namespace(os.getpid(), "pid") == FIRST_PID_NAMESPACE
    return "" if is_machine else home.removeprefix("mnt:[").removesuffix("]")


def _is_ours(home: str) -> bool:
    """Tell whether a lab was made in our mount namespace, or in one that nobody is in any more."""
    return home == _here() or not any(_namespace(pid, "mnt") == home for pid in _pids())


def namespaces_of(pids: list[int]) -> set[str]:
    """Return the network and mount namespaces that processes are in, but for our own."""
    ours = {_namespace(os.getpid(), kind) for kind in ("net", "mnt")}
    return {_namespace(pid, kind) for pid in pids for kind in ("net", "mnt")} - ours - {""}


@contextmanager
def end_with_guests(pids: list[int], but: Set[str] = frozenset()) -> Iterator[None]:
    """Hold the namespaces of processes for a block that ends them; then end who else is in one, but in `but`.

    While a namespace is held its number is nobody else's. The kernel gives the number of one that has gone to
    the next that is made, anywhere on the machine: who looked for it then would end a stranger.
    """
    ours = {_namespace(os.getpid(), kind) for kind in ("net", "mnt")}
    with ExitStack() as held:
        spaces = set()
        for pid in pids:
            for kind in ("net", "mnt"):
                with suppress(OSError):  # it has ended
                    descriptor = os.open(PROC / str(pid) / "ns" / kind, os.O_RDONLY | os.O_CLOEXEC)
                    held.callback(os.close, descriptor)
                    spaces.add(str((PROC / "self/fd" / str(descriptor)).readlink()))
        yield
        end(inhabitants(spaces - ours - but))


def inhabitants(namespaces: set[str]) -> list[int]:
    """Return the processes that are in one of some network or mount namespaces; never this one."""
    return [pid for pid in _pids() if pid != os.getpid() and namespaces_of([pid]) & namespaces]


def below(firsts: list[int]) -> list[int]:
    """Return the processes of the pid namespaces that some processes 1 are the first of."""
    spaces = {_namespace(first, "pid") for first in firsts} - {""}
    return [pid for pid in _pids() if _namespace(pid, "pid") in spaces]


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


def _is_first(pid: int) -> bool:
    """Tell whether a process of this user is number 1 of a pid namespace that is not ours (proc(5))."""
    said = dict(
        line.split(":", 1)
        for line in _read(pid, "status").decode(errors="replace").splitlines()
        if ":" in line
    )
    numbers, users = said.get("NSpid", "").split(), said.get("Uid", "").split()
    return len(numbers) > 1 and numbers[-1] == "1" and users[1] == str(os.geteuid())


def _here() -> str:
    return (PROC / "self/ns/mnt").readlink().name


def _namespace(pid: int, kind: str) -> str:
    try:
        return str((PROC / str(pid) / "ns" / kind).readlink())
    except OSError:  # it has ended, or it is a zombie
        return ""


def _pids() -> list[int]:
    return [int(one) for one in os.listdir(PROC) if one.isdigit()]  # noqa: PTH208 - names, not files


def _environment(pid: int) -> bytes:
    """Return a process's environment; of one that is in the midst of execve(2), the one it will have.

    In that moment the kernel shows neither environment nor arguments, but an executable, which kernel threads
    and zombies have not. Who overlooked a process 1 then would leave a lab behind.
    """
    deadline = time.monotonic() + EXECVE_DEADLINE
    while not (found := _read(pid, "environ")) and not _read(pid, "cmdline") and _has_executable(pid):
        if time.monotonic() > deadline:
            break
        os.sched_yield()
    return found or _read(pid, "environ")  # arguments are there an instant before the environment


def _has_executable(pid: int) -> bool:
    try:
        (PROC / str(pid) / "exe").readlink()
    except OSError:
        return False
    return True


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # it has ended
        return b""
