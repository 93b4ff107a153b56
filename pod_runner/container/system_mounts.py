"""What every container finds in its root: /proc, /sys, /dev, and what of them nobody may see or change.

runc's and containerd's defaults. All is reached from the descriptor of the file system that was mounted,
never by a path through the image: a link in it cannot put a mask elsewhere (CVE-2019-19921).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from errno import EINVAL, ENOENT, ENOTDIR, EPERM
from functools import cache
from pathlib import Path

from pod_runner.kernel import mounting
from pod_runner.kernel.mounting import (
    AT_FDCWD,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_STRICTATIME,
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
)
from pod_runner.kernel.program import Program, Result, Text

QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC
STRICT = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
MASKED = {
    "proc": (
        "acpi",
        "asound",
        "kcore",
        "keys",
        "latency_stats",
        "timer_list",
        "timer_stats",
        "sched_debug",
        "scsi",
    ),
    "sys": ("firmware", "devices/virtual/powercap"),
}
READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")  # of /proc
# name: major, minor (Documentation/admin-guide/devices.txt)
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
LINKS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
}  # fmt: skip
TTY_GROUP = 5  # Debian's, Fedora's and Alpine's `tty`


def gather_outer(program: Program) -> dict[str, Result]:
    """Copy what a user namespace may be unable to make: device nodes by name, and /sys as "sys"."""
    trees: dict[str, Result] = {}
    for name, path in {**{name: f"/dev/{name}" for name in DEVICES}, "sys": "/sys"}.items():
        said = f"mount --rbind {path} {path}"
        opened = mounting.open_in(program, AT_FDCWD, path, resolve=0)
        trees[name] = mounting.clone_tree(program, opened, said)
        attributes = MOUNT_ATTR_RDONLY if name == "sys" else 0
        mounting.set_attributes(program, trees[name], said, attributes=attributes, propagation=MS_PRIVATE)
    return trees


def mount_proc(program: Program, root: Result) -> Result:
    """Mount /proc and return it opened. The image's own must be a folder, not a link."""
    target = mounting.open_target(program, root, "proc", resolve=STRICT)
    mounting.mount(program, "proc", target, "/proc", "", QUIET)
    return mounting.open_in(program, root, "proc", flags=mounting.DIRECTORY, resolve=STRICT)


def mount_sys(program: Program, root: Result, outer: Result | None, *, is_read_only: bool) -> Result:
    """Mount /sys and return it opened; where the network is not our user's, show the node's (`outer`)."""
    target = mounting.open_target(program, root, "sys", resolve=STRICT)
    flags = QUIET | (MS_RDONLY if is_read_only else 0)
    denied = (EPERM,) if outer is not None else ()
    mounting.mount(program, "sysfs", target, "/sys", "", flags, tolerate=denied, on_success=len(denied))
    if outer is not None:
        mounting.attach_tree(program, outer, target, "mount --rbind -o ro /sys /sys")
    return mounting.open_in(program, root, "sys", flags=mounting.DIRECTORY, resolve=STRICT)


def mount_dev(program: Program, root: Result, *, has_tty_group: bool) -> Result:
    """Mount /dev with pts and mqueue, and return it opened; devices and shm follow."""
    target = mounting.open_target(program, root, "dev", resolve=STRICT)
    mounting.mount(program, "tmpfs", target, "/dev", "mode=755,size=64k", MS_NOSUID | MS_STRICTATIME)
    dev = mounting.open_in(program, root, "dev", flags=mounting.DIRECTORY, resolve=STRICT)
    for name, led in LINKS.items():
        program.call(f"ln -s {led} /dev/{name}", "symlinkat", Text(led), dev, Text(name))
    options = "newinstance,ptmxmode=0666,mode=0620" + (f",gid={TTY_GROUP}" if has_tty_group else "")
    pts = mounting.open_target(program, dev, "pts")
    mounting.mount(program, "devpts", pts, "/dev/pts", options, MS_NOSUID | MS_NOEXEC)
    mqueue = mounting.open_target(program, dev, "mqueue")
    mounting.mount(program, "mqueue", mqueue, "/dev/mqueue", "", QUIET)
    return dev


def make_devices(
    program: Program, dev: Result, outer: Mapping[str, Result], extra: Mapping[str, int]
) -> None:
    """Make device nodes, or show the node's own (`outer`) where a user namespace may make none.

    `extra`: nodes beyond the usual ones, with st_rdev.
    """
    numbers = {name: os.makedev(*pair) for name, pair in DEVICES.items()} | dict(extra)
    for name, number in numbers.items():
        mode = stat.S_IFCHR | (0o666 if name in DEVICES else 0o600)
        made = f"mknod /dev/{name} c {os.major(number)} {os.minor(number)}"
        if name not in outer:
            program.call(made, "mknodat", dev, Text(name), mode, number)
            continue
        program.call(made, "mknodat", dev, Text(name), mode, number, tolerate=(EPERM,), on_success=3)
        bound = f"mount --bind /dev/{name} /dev/{name}"
        program.call(bound, "mknodat", dev, Text(name), stat.S_IFREG | 0o666, 0)
        target = mounting.open_in(program, dev, name)
        mounting.attach_tree(program, outer[name], target, bound)


def show_shared_memory(program: Program, dev: Result, tree: Result) -> None:
    """Attach the pod's /dev/shm."""
    target = mounting.open_target(program, dev, "shm")
    mounting.attach_tree(program, tree, target, "mount --bind PAUSE:/shm /dev/shm")


def gather_terminal(program: Program) -> Result:
    """Copy standard input's terminal. EINVAL: it is of another mount namespace, and cannot be shown."""
    said = "mount --bind TERMINAL /dev/console"
    return mounting.clone_tree(program, 0, said, is_recursive=False, tolerate=(EINVAL,))


def show_terminal(program: Program, dev: Result, tree: Result) -> None:
    """Make the terminal /dev/console, where programs look for its name."""
    target = mounting.open_target(program, dev, "console", is_folder=False)
    mounting.attach_tree(program, tree, target, "mount --bind TERMINAL /dev/console", tolerate=(EINVAL,))


def mount_cgroups(program: Program, sys: Result, hierarchies: Mapping[str, str]) -> None:
    """Show the container's own cgroups, read-only: folder -> mount(8)'s options; "" is version 2."""
    top = mounting.open_in(program, sys, "fs/cgroup", flags=mounting.DIRECTORY, resolve=STRICT)
    if "" in hierarchies:
        mounting.mount(program, "cgroup2", top, "/sys/fs/cgroup", "", QUIET | MS_RDONLY, tolerate=(EPERM,))
        return
    mounting.mount(program, "tmpfs", top, "/sys/fs/cgroup", "mode=755,size=16k", QUIET)
    top = mounting.open_in(program, sys, "fs/cgroup", flags=mounting.DIRECTORY, resolve=STRICT)
    for name, options in hierarchies.items():
        target = mounting.open_target(program, top, name)
        path = f"/sys/fs/cgroup/{name}"
        mounting.mount(program, "cgroup", target, path, options, QUIET | MS_RDONLY, tolerate=(EPERM,))
    mounting.set_attributes(
        program, top, "mount -o remount,ro /sys/fs/cgroup", attributes=MOUNT_ATTR_RDONLY, is_recursive=False
    )


def hide(program: Program, above: Result, name: str, paths: Mapping[str, bool], dev: Result) -> None:
    """Lay an empty folder, or /dev/null, over paths (path -> is it a folder?) below what was opened.

    `name`: the place of that, to be said.
    """
    null = mounting.open_in(program, dev, "null")
    for path, is_folder in paths.items():
        missing, whole = (ENOENT, ENOTDIR), f"{name}/{path}"
        target = mounting.open_in(program, above, path, tolerate=missing, on_error=2)
        if is_folder:
            mounting.mount(program, "tmpfs", target, whole, "size=0,mode=555", QUIET | MS_RDONLY)
        else:
            said = f"mount --bind /dev/null {whole}"
            tree = mounting.clone_tree(program, null, said, is_recursive=False)
            mounting.attach_tree(program, tree, target, said)


def make_read_only(program: Program, proc: Result) -> None:
    """Let nobody change the node by what is in /proc."""
    quiet = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
    for path in READ_ONLY:
        said = f"mount --bind -o ro /proc/{path} /proc/{path}"
        target = mounting.open_in(program, proc, path, tolerate=(ENOENT,), on_error=3)
        tree = mounting.clone_tree(program, target, said)
        mounting.set_attributes(program, tree, said, attributes=quiet)
        mounting.attach_tree(program, tree, target, said)


@cache
def masked(system: str) -> dict[str, bool]:
    """Return what of MASKED this kernel has, and whether it is a folder."""
    found = {name: Path("/", system, name) for name in MASKED[system]}
    return {name: path.is_dir() for name, path in found.items() if path.exists()}
