"""The numbers of the system calls that a start needs: they differ by machine below 424.

From arch/x86/entry/syscalls/syscall_64.tbl, and for arm64, riscv64 and loongarch64 from
include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import platform

from pod_runner.container.spec import ContainerError

# name: (x86_64, asm-generic)
_TABLE = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "ioctl": (16, 29), "socket": (41, 198),
    "execve": (59, 221), "fcntl": (72, 25), "fchdir": (81, 50), "chdir": (80, 49), "fchown": (93, 55),
    "umask": (95, 166), "setsid": (112, 157), "setgroups": (116, 159), "setresuid": (117, 147),
    "setresgid": (119, 149), "capset": (126, 91), "pivot_root": (155, 41), "prctl": (157, 167),
    "mount": (165, 40), "umount2": (166, 39), "sethostname": (170, 161), "keyctl": (250, 219),
    "openat": (257, 56), "mkdirat": (258, 34), "mknodat": (259, 33), "symlinkat": (266, 36),
    "unshare": (272, 97), "dup3": (292, 24), "setns": (308, 268), "seccomp": (317, 277),
    "fchmod": (91, 52), "clone": (56, 220), "clone3": (435, 435), "bpf": (321, 280),
    # include/uapi/asm-generic/unistd.h: one number for all
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "close_range": (436, 436), "openat2": (437, 437), "mount_setattr": (442, 442),
}  # fmt: skip
_COLUMNS = {"x86_64": 0, "aarch64": 1, "riscv64": 1, "loongarch64": 1}


class UnknownMachine(ContainerError):
    """Nobody has written down this machine's system calls; the message names it."""


def number(name: str) -> int:
    """Return a system call's number here. Raises UnknownMachine."""
    machine = platform.machine()
    if machine not in _COLUMNS:
        raise UnknownMachine(f"containers on {machine} are not known; {', '.join(_COLUMNS)} are")
    return _TABLE[name][_COLUMNS[machine]]
