"""Who a process of a container is, and what it may: ids, capabilities, no_new_privs, seccomp, labels.

The last thing before its program. Without no_new_privs a filter wants CAP_SYS_ADMIN, and is loaded first;
with it, last, so that it sees none of our own calls.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from errno import EINVAL, EPERM, EROFS
from pathlib import Path

from pod_runner.container.given import LABEL_FD
from pod_runner.container.spec import ContainerError, Security
from pod_runner.kernel import capabilities, seccomp
from pod_runner.kernel.mounting import AT_FDCWD
from pod_runner.kernel.program import Program, Text

PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
TIOCSCTTY = 0x540E  # asm-generic/ioctls.h
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
SELINUX = Path("/sys/fs/selinux/enforce")
O_WRONLY_CLOEXEC = os.O_WRONLY | os.O_CLOEXEC


@dataclass(frozen=True)
class Identity:
    """What a process is to have, looked up. `capabilities`: bits; `bpf`: its filter, b"" for none."""

    security: Security
    capabilities: int
    bpf: bytes
    label: tuple[str, str] | None  # a file of /proc/self/attr, text


def identity(security: Security, *, is_user: bool, notes: list[str]) -> Identity:
    """Look up what a process is to have. `is_user`: a user namespace of its own has all capabilities.

    Raises:
        ContainerError: a capability or a seccomp profile is unknown.
    """
    names = frozenset({"ALL"}) if security.privileged else security.capabilities
    try:
        wanted = capabilities.mask(names)
    except ValueError as error:
        raise ContainerError(f"a capability is unknown: {error}") from error
    wanted &= (2 << capabilities.last()) - 1
    given = wanted if is_user else wanted & capabilities.own()
    if given != wanted and not security.privileged:
        missing = ", ".join(sorted(capabilities.names_of(wanted & ~given)))
        notes.append(f"capabilities that podwire itself does not have are not given: {missing}")
    return Identity(security, given, _filter(security, given), _label(security, notes))


def _filter(security: Security, held: int) -> bytes:
    if security.privileged or security.seccomp == "Unconfined":
        return b""
    names = capabilities.names_of(held)
    if security.seccomp in ("RuntimeDefault", ""):
        return seccomp.default_filter(names)
    try:
        seen = os.stat(security.seccomp)  # noqa: PTH116  only the stamp is wanted
    except OSError as error:
        raise ContainerError(f"seccomp profile {security.seccomp}: {error.strerror}") from error
    return seccomp.filter_of(security.seccomp, (seen.st_mtime_ns, seen.st_ino), names)


def _label(security: Security, notes: list[str]) -> tuple[str, str] | None:
    """Return the label that this kernel understands; name what it does not."""
    if security.apparmor:
        if APPARMOR.exists() and APPARMOR.read_text().startswith("Y"):
            modern = Path("/proc/self/attr/apparmor").is_dir()
            return ("apparmor/exec" if modern else "exec"), f"exec {security.apparmor}"
        notes.append(f"AppArmor profile {security.apparmor} is not applied: this kernel has no AppArmor")
    if security.selinux:
        if SELINUX.exists():
            return "exec", security.selinux
        notes.append(f"SELinux label {security.selinux} is not applied: this kernel has no SELinux")
    return None


def open_label(program: Program, wanted: Identity) -> None:
    """Open the file for the label while the node's own /proc is there: an image's could be anything."""
    if wanted.label is not None:
        path = f"/proc/thread-self/attr/{wanted.label[0]}"
        opened = program.call(f"open {path}", "openat", AT_FDCWD, Text(path), O_WRONLY_CLOEXEC, 0)
        program.call(f"open {path}", "dup3", opened, LABEL_FD, os.O_CLOEXEC)


def own_streams(program: Program, streams: tuple[int, int, int], uid: int, *, terminal: bool) -> None:
    """Give pipes and terminals to the user, who may open them again as /dev/stdout; take the terminal."""
    if terminal:
        program.call("take the terminal", "ioctl", 0, TIOCSCTTY, 0)
    for number, descriptor in enumerate(streams):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            program.call(
                f"chown {uid} /dev/fd/{number}", "fchown", number, uid, -1 % (1 << 32),
                tolerate=(EPERM, EINVAL, EROFS),
            )  # fmt: skip


def take_identity(program: Program, wanted: Identity) -> None:
    """Become who the container's processes are. Nothing but execve may follow."""
    security = wanted.security
    has_none_new = security.no_new_privileges and not security.privileged
    if wanted.label is not None:
        text = wanted.label[1].encode()
        program.call(f"label {wanted.label[1]}", "write", LABEL_FD, text, len(text))
    if wanted.bpf and not has_none_new:
        seccomp.load(program, wanted.bpf)
    capabilities.drop_bounding(program, wanted.capabilities)
    _take_ids(program, security)
    capabilities.set_own(program, wanted.capabilities if security.uid == 0 else 0)
    if has_none_new:
        program.call("set no_new_privs", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if wanted.bpf:
            seccomp.load(program, wanted.bpf)


def _take_ids(program: Program, security: Security) -> None:
    groups = struct.pack(f"={len(security.groups)}I", *security.groups)
    # An ordinary user's user namespace allows no setgroups (user_namespaces(7)), and has no groups to lose
    denied = () if security.groups else (EPERM,)
    program.call(
        f"setgroups {security.groups}", "setgroups", len(security.groups), groups or 0, tolerate=denied
    )
    uid, gid = security.uid, security.gid
    program.call(f"setgid {gid}", "setresgid", gid, gid, gid)
    program.call(f"setuid {uid}", "setresuid", uid, uid, uid)
