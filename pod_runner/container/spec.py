"""What a sandbox and its containers are to be: values that say everything, with nothing left to look up.

The planner of the supervisor makes them from a Pod; `sandbox` and `process` make them so. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

# What runc and containerd leave a container, by name without CAP_ (containerd's default)
DEFAULT_CAPABILITIES = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip


class Network(Enum):
    """Where a pod's interfaces come from."""

    CNI = "cni"  # a namespace of its own, plugins make it useful
    NONE = "none"  # a namespace with `lo` alone
    HOST = "host"  # the node's


@dataclass(frozen=True)
class Resources:
    """Limits of a cgroup; None: as the parent. Memory in bytes, `cpu_quota` in cores (0.5: half of one)."""

    cpu_weight: int | None = None  # 1 to 10,000 as in cgroup v2; v1 gets shares that mean the same
    cpu_quota: float | None = None
    cpuset: str = ""  # "0-2,4"; "": the parent's
    memory_limit: int | None = None
    memory_reservation: int | None = None
    memory_swap: int | None = None  # swap alone, as in v2; 0: none
    pids_limit: int | None = None
    io_weight: int | None = None  # 1 to 10,000


@dataclass(frozen=True)
class IdMapping:
    """A row of a user namespace's map (user_namespaces(7)): `count` ids from `inside` on are `outside`'s."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True)
class UserNamespace:
    """A user namespace of a pod's own."""

    uids: tuple[IdMapping, ...]
    gids: tuple[IdMapping, ...]


@dataclass(frozen=True)
class SandboxSpec:
    """What a pod's containers share. `pod_id` is the pod's uid, and the container id that plugins get.

    `cgroup` is the path of the pod's cgroup below each hierarchy's root ("/podwire/pod1b4e...").
    """

    pod_id: str
    hostname: str
    cgroup: str
    network: Network = Network.CNI
    resources: Resources = Resources()
    host_pid: bool = False
    host_ipc: bool = False
    share_pid: bool = False  # containers see each other's processes; pause is their process 1
    user_namespace: UserNamespace | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)  # of the net and ipc namespaces alone


@dataclass(frozen=True)
class RootPart:
    """A folder below the root that is a file system by itself: an overlay like the root's own.

    Without `upper` it is the one folder of `lower`, bound with all that is mounted below it, read-only: what
    a user namespace may do with folders that have other mounts in them. `target` exists in the root.
    """

    target: str  # "usr", below the root
    lower: tuple[Path, ...]
    upper: Path | None = None
    work: Path | None = None


@dataclass(frozen=True)
class RootFs:
    """A root file system: an overlay of `lower` (topmost first) with everything that is written in `upper`.

    `upper` and `work` are folders on one file system; None: read-only. `hidden` are paths below the root over
    which an empty, read-only folder (or /dev/null) lies: what of the host's own root is nobody's business.
    """

    lower: tuple[Path, ...]
    upper: Path | None
    work: Path | None
    hidden: tuple[str, ...] = ()
    parts: tuple[RootPart, ...] = ()


@dataclass(frozen=True)
class Mount:
    """A folder or file of the node that is seen in the container; no link in `sub_path` leads out of it."""

    source: Path
    target: str
    read_only: bool = False
    sub_path: str = ""
    propagation: str = "private"  # or "slave", "shared"


@dataclass(frozen=True)
class Tmpfs:
    """Memory as a file system; `size` in bytes, None: the kernel's default, half of the memory."""

    target: str
    size: int | None = None
    mode: int = 0o1777


@dataclass(frozen=True)
class Security:
    """What a process may. Ids as they are inside the pod's user namespace."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: frozenset[str] = DEFAULT_CAPABILITIES
    no_new_privileges: bool = True
    read_only_root: bool = False
    privileged: bool = False  # all capabilities, no seccomp, nothing masked
    seccomp: str = "RuntimeDefault"  # or "Unconfined", or the path of an OCI profile in JSON
    apparmor: str = ""  # a profile's name; "": the kernel's own choice
    selinux: str = ""  # a label


@dataclass(frozen=True)
class ContainerSpec:
    """A container of a sandbox. `argv` is what execve(2) gets; argv[0] is looked up in env's PATH.

    `cgroup` is below the pod's. `terminal`: standard input and output are a terminal (a pty).
    """

    name: str
    argv: tuple[str, ...]
    root: RootFs
    cgroup: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    mounts: tuple[Mount | Tmpfs, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    terminal: bool = False
    stop_signal: int = 15
    oom_score_adj: int | None = None


class ContainerError(Exception):
    """A container could not be made or started: what was asked, of what, and what the kernel said.

    `reason` is what a Pod's status says, in Kubernetes' words (CreateContainerError, ErrImagePull, ...).
    """

    def __init__(self, message: str, reason: str = "CreateContainerError") -> None:
        super().__init__(message)
        self.reason = reason
