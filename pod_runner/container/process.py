"""Processes in a sandbox: a container's first, and others that are started in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from linuxnet import netns
from pod_runner.container.container_program import Surroundings, container_program, exec_program
from pod_runner.container.given import CGROUP_FD, PROCESS_FD, USER_FD
from pod_runner.container.identity import Identity, identity
from pod_runner.container.sandbox import Sandbox, open_until
from pod_runner.container.spec import ContainerError, ContainerSpec, SandboxSpec
from pod_runner.container.system_mounts import TTY_GROUP
from pod_runner.kernel import devices, processes
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.program import Program
from pod_runner.kernel.starting import StartFailure, start

START_REASON = "StartError"  # containerd's, for a program that cannot be executed
CONNECT_TIMEOUT = 5.0  # seconds; on a loopback a full backlog is the only reason to wait
ALL_IDS = 1 << 16  # fewer are mapped: this is a user namespace, and not the machine's


@dataclass(frozen=True)
class Stdio:
    """Descriptors that a process gets as 0, 1 and 2; with a terminal the pty's slave three times."""

    stdin: int
    stdout: int
    stderr: int

    @property
    def all(self) -> tuple[int, int, int]:
        """Return them in order."""
        return self.stdin, self.stdout, self.stderr


def start_container(
    sandbox: Sandbox, spec: ContainerSpec, stdio: Stdio, notes: list[str] | None = None
) -> int:
    """Start a container; return its process 1, a child of the caller, after its program was executed.

    `notes` gets a sentence for each limit or label that this machine could not apply.

    Raises:
        ContainerError: what was refused; reason StartError where it is the program.
    """
    said: list[str] = [] if notes is None else notes
    cgroups = Cgroups.detect()
    path = f"{sandbox.spec.cgroup}/{spec.cgroup}"
    said += cgroups.make(path, spec.resources)
    spec = _restrict_devices(spec, cgroups, path, said)
    program = plan_container(sandbox.spec, spec, cgroups, stdio, said)
    with ExitStack() as opened:
        process = _open(opened, sandbox.pid, sandbox.started, f"the sandbox of pod {sandbox.spec.pod_id}")
        return _start(
            f"container {spec.name}", program, stdio, opened, process, cgroups.entry_folder(path), sandbox
        )


def plan_container(
    pod: SandboxSpec, spec: ContainerSpec, cgroups: Cgroups, stdio: Stdio, notes: list[str]
) -> Program:
    """Return the program of a container's first process, as it is on this machine. Raises ContainerError."""
    around = surroundings(pod, cgroups, f"{pod.cgroup}/{spec.cgroup}")
    who = _identity(spec, around, notes)
    if spec.oom_score_adj is not None and spec.oom_score_adj < _own_oom_score():
        notes.append(f"oom_score_adj={spec.oom_score_adj} may be refused: lowering it takes CAP_SYS_RESOURCE")
    return container_program(around, spec, who, stdio.all)


def start_exec(
    sandbox: Sandbox,
    container_pid: int,
    spec: ContainerSpec,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    stdio: Stdio,
    *,
    terminal: bool,
) -> int:
    """Start another program in a container that runs; return its pid, a child of the caller.

    Raises:
        ContainerError: the container has gone, or the program cannot be executed.
    """
    cgroups = Cgroups.detect()
    path = f"{sandbox.spec.cgroup}/{spec.cgroup}"
    around = surroundings(sandbox.spec, cgroups, path)
    inside = replace(spec, argv=argv, env=env, oom_score_adj=None)
    program = exec_program(around, inside, _identity(spec, around, []), stdio.all, terminal=terminal)
    with ExitStack() as opened:
        started = processes.start_time(container_pid) or -1
        process = _open(opened, container_pid, started, f"container {spec.name}")
        asked = f"exec in container {spec.name}"
        return _start(asked, program, stdio, opened, process, cgroups.entry_folder(path), sandbox)


def connect_inside(sandbox: Sandbox, port: int) -> socket.socket:
    """Connect to a TCP port of the pod, by 127.0.0.1, then ::1. Raises OSError as connect(2) does."""
    descriptor = os.open(sandbox.netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not processes.is_alive(sandbox.pid, sandbox.started):
            raise ProcessLookupError(f"the sandbox of pod {sandbox.spec.pod_id} has gone")
        with netns.inside(descriptor):
            pair = [socket.socket(family) for family in (socket.AF_INET, socket.AF_INET6)]
    finally:
        os.close(descriptor)
    first, second = pair
    try:
        return _connect(first, "127.0.0.1", port)
    except ConnectionRefusedError as refused:
        try:
            return _connect(second, "::1", port)
        except OSError:  # no IPv6, or nobody there either: the first answer says more
            raise refused from None
    finally:
        for one in pair:
            if one.fileno() >= 0 and not _is_connected(one):
                one.close()


def _connect(one: socket.socket, address: str, port: int) -> socket.socket:
    one.settimeout(CONNECT_TIMEOUT)
    one.connect((address, port))
    one.settimeout(None)
    return one


def _is_connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:  # ENOTCONN
        return False
    return True


def _restrict_devices(spec: ContainerSpec, cgroups: Cgroups, path: str, notes: list[str]) -> ContainerSpec:
    """Let the cgroup use harmless devices alone; where that cannot be, nobody may make a node."""
    if spec.security.privileged:
        return spec
    if (refused := cgroups.restrict_devices(path, devices.CONTAINERS)) is None:
        return spec
    notes.append(f"{refused}; MKNOD is not given")
    held = spec.security.capabilities - {"MKNOD"}
    return replace(spec, security=replace(spec.security, capabilities=held))


def _start(
    asked: str,
    program: Program,
    stdio: Stdio,
    opened: ExitStack,
    process: int,
    folder: Path | None,
    sandbox: Sandbox,
) -> int:
    given = {**dict(enumerate(stdio.all)), PROCESS_FD: process}
    if folder is not None:
        given[CGROUP_FD] = open_until(opened, str(folder))
    if sandbox.spec.user_namespace is not None:
        given[USER_FD] = open_until(opened, f"/proc/{sandbox.pid}/ns/user")
    try:
        return start(program, given)
    except StartFailure as error:
        reason = START_REASON if error.meaning.startswith("exec ") else "CreateContainerError"
        raise ContainerError(f"{asked}: {error}", reason) from error


def _identity(spec: ContainerSpec, around: Surroundings, notes: list[str]) -> Identity:
    if not spec.argv or not spec.argv[0]:
        raise ContainerError(f"container {spec.name} has no command", START_REASON)
    return identity(spec.security, is_user=around.is_mapped, notes=notes)


def _open(opened: ExitStack, pid: int, started: int, name: str) -> int:
    descriptor = processes.open_process(pid, started)
    if descriptor is None:
        raise ContainerError(f"{name} has ended")
    opened.callback(os.close, descriptor)
    return descriptor


def surroundings(pod: SandboxSpec, cgroups: Cgroups, path: str) -> Surroundings:
    """Look up what a program of a process in that cgroup must know."""
    is_user = pod.user_namespace is not None or _mapped("uid") < ALL_IDS
    return Surroundings(
        pod=pod,
        entry_files=cgroups.entry_files(path),
        has_cgroup=cgroups.entry_folder(path) is not None,
        hierarchies={} if is_user else cgroups.hierarchies(),
        is_user=is_user,
        has_tty_group=_has_tty_group(pod),
    )


def _mapped(kind: str) -> int:
    """Return how many ids our own user namespace has."""
    rows = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    return sum(int(row.split()[2]) for row in rows)


def _has_tty_group(pod: SandboxSpec) -> bool:
    if pod.user_namespace is not None:
        return any(row.inside <= TTY_GROUP < row.inside + row.count for row in pod.user_namespace.gids)
    return _mapped("gid") > TTY_GROUP


def _own_oom_score() -> int:
    return int(Path("/proc/self/oom_score_adj").read_text())
