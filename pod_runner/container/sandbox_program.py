"""What a pause process does before it sleeps, as a program. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from errno import EINVAL, ENOENT, EPERM, EROFS
from pathlib import Path

from pod_runner.container.given import CGROUP_FD, CLOSE_ALL, SYNC_FD, begin, lead_session
from pod_runner.container.spec import ContainerError, Network, SandboxSpec
from pod_runner.kernel import capabilities, mounting, namespaces
from pod_runner.kernel.mounting import AT_FDCWD, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC
from pod_runner.kernel.program import REPORT, REPORT_WAITING, Program, Result, Text

STAGE = "/sys"  # where a root is mounted before it becomes one: a folder that every machine has
SHM_SIZE = "64m"  # Docker's and containerd's
SHM = "shm"  # its name in the pause process's root
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, net/if.h
PR_SET_NAME, PR_SET_NO_NEW_PRIVS = 15, 38  # linux/prctl.h
AF_INET, SOCK_DGRAM, SOCK_CLOEXEC = 2, 2, 0o2000000
# What a pod may set: what its own namespaces have (sysctl(8), Kubernetes' namespaced sysctls)
NET_SYSCTLS = ("net.",)
IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
# containerd's: no capability is needed for ports below 1024 and for ping
DEFAULT_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


def sandbox_program(spec: SandboxSpec, entry_files: Iterable[Path], *, has_cgroup: bool) -> Program:
    """Return the program: cgroups, namespaces, what is in them, and to sleep.

    `entry_files`: of cgroups of version 1. `has_cgroup`: CGROUP_FD is the pause process's, of version 2.

    Raises:
        ContainerError: a sysctl is not the pod's own, or what it asks for does not go together.
    """
    if spec.user_namespace is not None and (spec.host_pid or spec.host_ipc):
        raise ContainerError("a pod with a user namespace of its own cannot have the node's processes or IPC")
    program = Program(stays=True)
    begin(program, is_secret=False)
    namespaces.enter_cgroups(program, entry_files)
    if has_cgroup:
        namespaces.branch(program, CGROUP_FD)
    if spec.user_namespace is not None:
        _make_user_namespace(program)
    namespaces.make(program, kinds(spec))
    if spec.share_pid:
        namespaces.branch(program)
    lead_session(program)
    name = spec.hostname.encode()
    program.call(f"hostname {spec.hostname}", "sethostname", name, len(name))
    program.call("mount --make-rprivate /", "mount", 0, Text("/"), 0, MS_REC | MS_PRIVATE, 0)
    if spec.network is not Network.HOST:
        _bring_lo_up(program)
    _set_sysctls(program, spec)
    _take_root(program)
    _give_up(program)
    return program


def kinds(spec: SandboxSpec) -> int:
    """Return which namespaces a pod's pause process makes, beside a user namespace."""
    wanted = namespaces.MOUNT | namespaces.UTS
    wanted |= 0 if spec.host_ipc else namespaces.IPC
    wanted |= 0 if spec.network is Network.HOST else namespaces.NETWORK
    return wanted | (namespaces.PID if spec.share_pid else 0)


def become_root(program: Program) -> None:
    """Take the ids 0 of the user namespace that was entered: what is made from now on is theirs."""
    program.call("setgid 0", "setresgid", 0, 0, 0)
    program.call("setuid 0", "setresuid", 0, 0, 0)


def pivot(program: Program, root: Result) -> None:
    """Make a mounted folder the root, and let go of what was (pivot_root(2), NOTES)."""
    program.call("cd ROOT", "fchdir", root)
    program.call("pivot_root . .", "pivot_root", Text("."), Text("."))
    program.call("umount -l .", "umount2", Text("."), mounting.MNT_DETACH)
    program.call("cd /", "chdir", Text("/"))


def _make_user_namespace(program: Program) -> None:
    namespaces.make(program, namespaces.USER)
    waiting = REPORT.pack(REPORT_WAITING, 0, program.branches)
    program.call("wait for uid_map and gid_map", "write", 3, waiting, len(waiting))
    program.call("wait for uid_map and gid_map", "read", SYNC_FD, b"answer", 1)
    become_root(program)


def _bring_lo_up(program: Program) -> None:
    said = "ip link set lo up"
    opened = program.call(said, "socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    program.call(said, "ioctl", opened, SIOCSIFFLAGS, struct.pack("=16sH22x", b"lo", IFF_UP))
    program.call(said, "close", opened)


def _set_sysctls(program: Program, spec: SandboxSpec) -> None:
    own = (*(() if spec.network is Network.HOST else NET_SYSCTLS), *(() if spec.host_ipc else IPC_SYSCTLS))
    for name, value in spec.sysctls.items():
        if not name.startswith(own) or "/" in name:
            raise ContainerError(
                f"sysctl {name} is not one of the pod's own: they begin with {', '.join(own)}"
            )
        namespaces.write_file(program, _sysctl_path(name), value)
    if spec.network is not Network.HOST:
        for name, value in DEFAULT_SYSCTLS.items():
            if name not in spec.sysctls:
                # EINVAL: ids that the user namespace does not have; ENOENT: an older kernel
                namespaces.write_file(
                    program, _sysctl_path(name), value, tolerate=(EINVAL, ENOENT, EROFS, EPERM)
                )


def _sysctl_path(name: str) -> str:
    return "/proc/sys/" + name.replace(".", "/")


def _take_root(program: Program) -> None:
    """Leave the node's file systems for an empty folder in memory, with what is shared in it."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    said = f"mount -t tmpfs pause {STAGE}"
    program.call(said, "mount", Text("pause"), Text(STAGE), Text("tmpfs"), flags, Text("mode=755,size=16k"))
    root = mounting.open_in(
        program, AT_FDCWD, STAGE, flags=mounting.DIRECTORY, resolve=0, meaning=f"cd {STAGE}"
    )
    program.call("mkdir shm", "mkdirat", root, Text(SHM), 0o755)
    shm = mounting.open_in(program, root, SHM)
    mounting.mount(program, "tmpfs", shm, SHM, f"mode=1777,size={SHM_SIZE}", flags)
    pivot(program, root)


def _give_up(program: Program) -> None:
    program.call("close all", "close_range", 4, CLOSE_ALL, 0)
    program.call("be called pause", "prctl", PR_SET_NAME, Text("pause"), 0, 0, 0)
    program.call("set no_new_privs", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    capabilities.drop_bounding(program, 0)
    capabilities.set_own(program, 0)
