"""A sandbox: the namespaces that a pod's containers share, held by a process that sleeps.

The process is the starter (kernel/starter.c) at the end of its program: no program of its own, no root but an
empty folder in memory, no capability, about five pages. In its mount namespace lies what the containers share
in memory: /dev/shm.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pod_runner.container.given import CGROUP_FD, SYNC_FD
from pod_runner.container.ids import require_own_namespace
from pod_runner.container.sandbox_program import sandbox_program
from pod_runner.container.spec import ContainerError, IdMapping, Resources, SandboxSpec, UserNamespace
from pod_runner.kernel import processes
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.program import Program
from pod_runner.kernel.starting import StartFailure, start

PAUSE_CGROUP = "pause"
SANDBOX_REASON = "FailedCreatePodSandBox"
is_alive = processes.is_alive


@dataclass(frozen=True)
class Sandbox:
    """A pause process. `started`: clock ticks after boot (proc(5), field 22 of stat): which process it is."""

    pid: int
    started: int
    spec: SandboxSpec

    @property
    def netns(self) -> str:
        """Return the path of the pod's network namespace."""
        return f"/proc/{self.pid}/ns/net"


def start_sandbox(spec: SandboxSpec, notes: list[str] | None = None) -> Sandbox:
    """Make a pod's cgroup and namespaces, and the process that holds them; its parent is the caller.

    `notes` gets a sentence for each limit that this machine could not apply.

    Raises:
        ContainerError: what could not be made.
    """
    if spec.user_namespace is not None:
        require_own_namespace(f"make the sandbox of pod {spec.pod_id}")
    cgroups = Cgroups.detect()
    said = cgroups.make(spec.cgroup, spec.resources)
    if notes is not None:
        notes += said
    with ExitStack() as opened:
        try:
            pid = _start(spec, cgroups, opened)
        except (StartFailure, OSError) as error:
            said_by = f"make the sandbox of pod {spec.pod_id}: {error}"
            raise ContainerError(said_by, SANDBOX_REASON) from error
    started = processes.start_time(pid)
    if started is None:
        raise ContainerError(f"the pause process of pod {spec.pod_id} ended at once", SANDBOX_REASON)
    return Sandbox(pid, started, spec)


def _start(spec: SandboxSpec, cgroups: Cgroups, opened: ExitStack) -> int:
    null = open_until(opened, "/dev/null", os.O_RDWR)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    opened.callback(os.close, reading)
    opened.callback(os.close, writing)
    given = {0: null, 1: null, 2: null, SYNC_FD: reading}
    folder = cgroups.entry_folder(spec.cgroup)
    if folder is not None:  # version 2 wants no process in a cgroup that has others below
        cgroups.make(f"{spec.cgroup}/{PAUSE_CGROUP}", Resources())
        given[CGROUP_FD] = open_until(opened, str(folder / PAUSE_CGROUP))
    return start(plan_sandbox(spec, cgroups), given, partial(_map_ids, spec.user_namespace, writing))


def plan_sandbox(spec: SandboxSpec, cgroups: Cgroups) -> Program:
    """Return the program of a pause process, as it is on this machine. Raises ContainerError."""
    has_cgroup = cgroups.entry_folder(spec.cgroup) is not None
    return sandbox_program(spec, cgroups.entry_files(spec.cgroup), has_cgroup=has_cgroup)


def open_until(opened: ExitStack, path: str, flags: int = os.O_RDONLY) -> int:
    """Open a file for as long as a block lasts."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    opened.callback(os.close, descriptor)
    return descriptor


def _map_ids(wanted: UserNamespace | None, answer: int, pid: int) -> None:
    """Write a process's maps (user_namespaces(7)) and let it go on."""
    if wanted is not None:
        folder = Path(f"/proc/{pid}")
        (folder / "uid_map").write_text(_rows(wanted.uids))
        (folder / "gid_map").write_text(_rows(wanted.gids))
    os.write(answer, b"!")


def _rows(rows: tuple[IdMapping, ...]) -> str:
    return "".join(f"{one.inside} {one.outside} {one.count}\n" for one in rows)
