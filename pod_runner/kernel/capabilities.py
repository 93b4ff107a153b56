"""Capabilities by name (capabilities(7)), and taking them away as calls of a program."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from errno import EINVAL
from functools import cache
from pathlib import Path

from pod_runner.kernel.program import Program

# linux/capability.h, in the order of their numbers
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4  # linux/prctl.h
LAST = Path("/proc/sys/kernel/cap_last_cap")


def mask(names: Iterable[str]) -> int:
    """Return the set's bits. Raises ValueError for a name that nobody knows; "ALL" are all."""
    wanted = set(names)
    if "ALL" in wanted:
        return (1 << len(NAMES)) - 1
    numbers = {name: number for number, name in enumerate(NAMES)}
    short = {name.removeprefix("CAP_") for name in wanted}
    if unknown := short - set(NAMES):
        raise ValueError(", ".join(sorted(unknown)))
    return sum(1 << numbers[name] for name in short)


def names_of(bits: int) -> frozenset[str]:
    """Return a set's names."""
    return frozenset(name for number, name in enumerate(NAMES) if bits >> number & 1)


@cache
def last() -> int:
    """Return the highest number that this kernel knows."""
    return int(LAST.read_text())


def own() -> int:
    """Return what this process may have: its permitted set."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def drop_bounding(program: Program, kept: int) -> None:
    """Take from the bounding set what is not kept: no program that is executed later can have it."""
    for number in range(last() + 1):
        if not kept >> number & 1:
            name = NAMES[number] if number < len(NAMES) else str(number)
            program.call(f"capsh --drop=cap_{name.lower()}", "prctl", PR_CAPBSET_DROP, number, 0, 0, 0)


def set_own(program: Program, kept: int) -> None:
    """Set effective and permitted; inheritable and ambient are empty (CVE-2022-24769)."""
    clear = (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    program.call(
        "clear ambient capabilities", "prctl", *clear, tolerate=(EINVAL,)
    )  # EINVAL: before Linux 4.3
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header, sets = struct.pack("=2I", VERSION_3, 0), struct.pack("=6I", low, low, 0, high, high, 0)
    program.call("set capabilities", "capset", header, sets)
