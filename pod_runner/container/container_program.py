"""What a container's process does before it becomes the container's program, as a program.

First outside: cgroups, copies of volumes and layers; then into the pod's namespaces and its own; then what it
finds there; last who it is. `exec_program` is the short way into a container that runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from errno import EACCES, ENOENT, ENOTDIR
from functools import cache
from pathlib import Path, PurePosixPath

from pod_runner.container import given, root, system_mounts, volume_mounts
from pod_runner.container.identity import Identity, open_label, own_streams, take_identity
from pod_runner.container.sandbox_program import SHM, become_root, pivot
from pod_runner.container.spec import ContainerSpec, Network, SandboxSpec
from pod_runner.kernel import mounting, namespaces
from pod_runner.kernel.mounting import AT_FDCWD, MS_PRIVATE, MS_REC
from pod_runner.kernel.namespaces import write_file
from pod_runner.kernel.program import Pointers, Program, Result, Text

F_SETFD, FD_CLOEXEC = 2, 1  # linux/fcntl.h
CONSOLE = "console"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Surroundings:
    """What the program is planned for, looked up: the pod, cgroups, who starts it."""

    pod: SandboxSpec
    entry_files: tuple[Path, ...]  # of cgroups of version 1
    has_cgroup: bool  # CGROUP_FD is given: version 2
    hierarchies: Mapping[str, str]  # what is seen as /sys/fs/cgroup (system_mounts.mount_cgroups)
    is_user: bool  # a user namespace, the pod's or the node's, and not the machine's
    has_tty_group: bool

    @property
    def is_mapped(self) -> bool:
        """Tell whether the pod has a user namespace of its own."""
        return self.pod.user_namespace is not None


def container_program(
    around: Surroundings, spec: ContainerSpec, identity: Identity, streams: tuple[int, int, int]
) -> Program:
    """Return the program of a container's first process. Raises ContainerError."""
    program = Program()
    _begin(program, around, spec)
    layers = root.gather_layers(program, spec.root) if around.is_mapped else None
    volumes = volume_mounts.gather_volumes(program, spec.mounts, is_mapped=around.is_mapped)
    shared = {SHM: _gather_shared_memory(program, around.pod)}
    if spec.terminal:
        shared[CONSOLE] = system_mounts.gather_terminal(program)
    outer = system_mounts.gather_outer(program) if around.is_user else {}
    _enter(program, around)
    program.call("mount --make-rprivate /", "mount", 0, Text("/"), 0, MS_REC | MS_PRIVATE, 0)
    place = root.mount_root(program, spec.root, layers, is_user=around.is_user)
    _furnish(program, around, spec, place, outer, shared)
    volume_mounts.attach_volumes(program, place, volumes)
    open_label(program, identity)
    pivot(program, place)
    _finish_root(program, spec, identity)
    own_streams(program, streams, spec.security.uid, terminal=spec.terminal)
    take_identity(program, identity)
    execute(program, spec.argv, spec.env)
    return program


def exec_program(
    around: Surroundings,
    spec: ContainerSpec,
    identity: Identity,
    streams: tuple[int, int, int],
    *,
    terminal: bool,
) -> Program:
    """Return the program of another process of a container. `spec` has its argv and env."""
    program = Program()
    _begin(program, around, spec)
    open_label(program, identity)
    kinds = _pod_kinds(around) | namespaces.MOUNT | namespaces.CGROUP
    namespaces.enter(program, given.PROCESS_FD, kinds | (0 if around.pod.host_pid else namespaces.PID))
    if around.is_mapped:
        become_root(program)
    namespaces.branch(program)
    given.lead_session(program)
    program.call("cd /", "chdir", Text("/"))
    _close_and_enter_folder(program, spec.cwd, identity)
    own_streams(program, streams, spec.security.uid, terminal=terminal)
    take_identity(program, identity)
    execute(program, spec.argv, spec.env)
    return program


def execute(program: Program, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Add execve(2), for each folder of PATH where argv[0] is a name alone."""
    program.call("umask 022", "umask", 0o022)
    variables = Pointers(tuple(f"{name}={value}" for name, value in env.items()))
    name = argv[0]
    if "/" in name:
        program.call(f"exec {name}", "execve", Text(name), Pointers(argv), variables)
        return
    for folder in dict.fromkeys(env.get("PATH", DEFAULT_PATH).split(":")):
        path = f"{folder or '.'}/{name}"
        program.call(
            f"exec {path}",
            "execve",
            Text(path),
            Pointers(argv),
            variables,
            tolerate=(ENOENT, ENOTDIR, EACCES),
        )
    program.fail(f"exec {name!r}, which is in no folder of PATH", ENOENT)


def _begin(program: Program, around: Surroundings, spec: ContainerSpec) -> None:
    program.call("close the report when the program starts", "fcntl", 3, F_SETFD, FD_CLOEXEC)
    given.begin(program, is_secret=True)
    if spec.oom_score_adj is not None:
        write_file(program, "/proc/self/oom_score_adj", str(spec.oom_score_adj), tolerate=(EACCES,))
    namespaces.enter_cgroups(program, around.entry_files)
    if around.has_cgroup:
        namespaces.branch(program, given.CGROUP_FD)


def _gather_shared_memory(program: Program, pod: SandboxSpec) -> Result:
    """Copy the mount of the pod's /dev/shm out of the pause process's namespace, and come back."""
    if pod.host_ipc:
        opened = mounting.open_in(program, AT_FDCWD, "/dev/shm", resolve=0)
        return mounting.clone_tree(program, opened, "mount --bind /dev/shm /dev/shm")
    said = "open PAUSE:/shm"
    here = program.call(
        "open our mount namespace", "openat", AT_FDCWD, Text("/proc/self/ns/mnt"), os.O_CLOEXEC, 0
    )
    folder = mounting.open_in(program, AT_FDCWD, ".", resolve=0)  # setns(2) changes it
    program.call(said, "setns", given.PROCESS_FD, namespaces.MOUNT)
    opened = mounting.open_in(program, AT_FDCWD, f"/{SHM}", resolve=0)
    tree = mounting.clone_tree(program, opened, said)
    program.call("back to our mount namespace", "setns", here, namespaces.MOUNT)
    program.call("back to our folder", "fchdir", folder)
    return tree


def _pod_kinds(around: Surroundings) -> int:
    kinds = namespaces.UTS
    kinds |= 0 if around.pod.network is Network.HOST else namespaces.NETWORK
    kinds |= 0 if around.pod.host_ipc else namespaces.IPC
    return kinds | (namespaces.USER if around.is_mapped else 0)


def _enter(program: Program, around: Surroundings) -> None:
    pod = around.pod
    shared = namespaces.PID if pod.share_pid and not pod.host_pid else 0
    namespaces.enter(program, given.PROCESS_FD, _pod_kinds(around) | shared)
    if around.is_mapped:
        become_root(program)
    own = 0 if pod.host_pid or pod.share_pid else namespaces.PID
    namespaces.make(program, namespaces.MOUNT | namespaces.CGROUP | own)
    namespaces.branch(program)
    given.lead_session(program)
    program.call("umask 0", "umask", 0)


def _furnish(
    program: Program,
    around: Surroundings,
    spec: ContainerSpec,
    place: Result,
    outer: Mapping[str, Result],
    shared: Mapping[str, Result],
) -> None:
    """Mount what every container has, and hide what none may see."""
    privileged = spec.security.privileged
    hidden = {path.lstrip("/"): _is_folder_below(spec, path) for path in spec.root.hidden}
    proc = system_mounts.mount_proc(program, place)
    sys = system_mounts.mount_sys(program, place, outer.get("sys"), is_read_only=not privileged)
    dev = system_mounts.mount_dev(program, place, has_tty_group=around.has_tty_group)
    extra = _node_devices() if privileged and not around.is_user else {}
    system_mounts.make_devices(program, dev, outer, extra)
    system_mounts.show_shared_memory(program, dev, shared[SHM])
    if spec.terminal:
        system_mounts.show_terminal(program, dev, shared[CONSOLE])
    if around.hierarchies:
        system_mounts.mount_cgroups(program, sys, around.hierarchies)
    system_mounts.hide(program, place, "", hidden, dev)
    if not privileged:
        system_mounts.hide(program, proc, "/proc", system_mounts.masked("proc"), dev)
        system_mounts.hide(program, sys, "/sys", system_mounts.masked("sys"), dev)
        system_mounts.make_read_only(program, proc)


def _finish_root(program: Program, spec: ContainerSpec, identity: Identity) -> None:
    mounting.open_target(program, AT_FDCWD, spec.cwd)
    if spec.security.read_only_root:
        _make_read_only(program, AT_FDCWD, "/")
        covered = {PurePosixPath(one.target) for one in spec.mounts}
        for part in spec.root.parts:
            if (
                PurePosixPath("/", part.target) not in covered
            ):  # else it would be the volume that is read-only
                opened = mounting.open_in(program, AT_FDCWD, part.target)
                _make_read_only(program, opened, f"/{part.target}")
    _close_and_enter_folder(program, spec.cwd, identity)


def _make_read_only(program: Program, opened: int | Result, path: str) -> None:
    """Make one mount read-only, and none of those on it."""
    mounting.set_attributes(
        program,
        opened,
        f"mount -o remount,ro {path}",
        attributes=mounting.MOUNT_ATTR_RDONLY,
        is_recursive=False,
    )


def _close_and_enter_folder(program: Program, folder: str, identity: Identity) -> None:
    """Close all that leads outside, then enter a folder: none can be one of those (CVE-2024-21626)."""
    first = given.LABEL_FD + (identity.label is not None)
    program.call("close what is left", "close_range", first, given.CLOSE_ALL, 0)
    opened = mounting.open_in(program, AT_FDCWD, folder, flags=mounting.DIRECTORY)
    program.call(f"cd {folder}", "fchdir", opened)


def _is_folder_below(spec: ContainerSpec, path: str) -> bool:
    """Look what a hidden path is, in the topmost layer that has it."""
    below = PurePosixPath(path.lstrip("/"))
    found = [one / below for one in spec.root.lower]
    for part in spec.root.parts:
        if below.is_relative_to(part.target):
            found += [one / below.relative_to(part.target) for one in part.lower]
    return next((one.is_dir() for one in found if one.exists()), False)


@cache
def _node_devices() -> dict[str, int]:
    """List the character devices at the top of the node's /dev, for a privileged container."""
    with os.scandir("/dev") as entries:
        seen = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    taken = {"console", "ptmx", *system_mounts.DEVICES, *system_mounts.LINKS}
    return {
        name: status.st_rdev
        for name, status in seen.items()
        if stat.S_ISCHR(status.st_mode) and name not in taken
    }
