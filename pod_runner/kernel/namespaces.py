"""Namespaces as calls of a program: make, enter, and be born into (namespaces(7))."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from pod_runner.kernel.mounting import AT_FDCWD
from pod_runner.kernel.program import Program, Text

# linux/sched.h
MOUNT, CGROUP, UTS, IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
USER, PID, NETWORK = 0x10000000, 0x20000000, 0x40000000
CLONE_PARENT, CLONE_INTO_CGROUP = 0x00008000, 0x200000000
SIGCHLD = 17
WORDS = {USER: "user", NETWORK: "net", IPC: "ipc", UTS: "uts", PID: "pid", MOUNT: "mount", CGROUP: "cgroup"}
_ARGUMENTS = struct.Struct("=11Q")  # struct clone_args (clone3(2)); the last is a cgroup's descriptor
O_WRONLY, O_CLOEXEC = 1, 0o2000000


def make(program: Program, kinds: int) -> None:
    """Leave namespaces for new ones; of a pid namespace, a child that is forked later is process 1."""
    if kinds:
        program.call(f"unshare {options(kinds)}", "unshare", kinds)


def enter(program: Program, process: int, kinds: int) -> None:
    """Enter namespaces of a process by its pidfd's number."""
    if kinds:
        program.call(f"nsenter {options(kinds)}", "setns", process, kinds)


def branch(program: Program, cgroup: int | None = None) -> None:
    """Fork a child of our own parent, in the cgroup (version 2) of a descriptor: no lock is taken."""
    if cgroup is None:
        program.branch("fork", CLONE_PARENT | SIGCHLD)
        return
    flags = CLONE_PARENT | CLONE_INTO_CGROUP
    # The exit signal is the parent's own with CLONE_PARENT, and clone3 wants 0 then
    program.branch("fork into the cgroup", 0, _ARGUMENTS.pack(flags, *[0] * 9, cgroup))


def enter_cgroups(program: Program, files: Iterable[Path]) -> None:
    """Enter cgroups of version 1 by their files: 0 is who writes it."""
    for file in files:
        write_file(program, str(file), "0")


def write_file(program: Program, path: str, text: str, *, tolerate: tuple[int, ...] = ()) -> None:
    """Write a small file of the kernel's: three calls."""
    said = f"echo {text} > {path}"
    opened = program.call(
        said, "openat", AT_FDCWD, Text(path), O_WRONLY | O_CLOEXEC, 0, tolerate=tolerate, on_error=2
    )
    body = text.encode()
    program.call(said, "write", opened, body, len(body), tolerate=tolerate)
    program.call(said, "close", opened)


def options(kinds: int) -> str:
    """Return the options of unshare(1) and nsenter(1)."""
    return " ".join(f"--{word}" for bit, word in WORDS.items() if kinds & bit)
