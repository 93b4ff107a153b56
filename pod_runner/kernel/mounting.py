"""Mounts and paths as calls of a program. All is reached by descriptors, and nothing can be swapped.

A target below a container's root is opened with openat2(2), which resolves links as if that were the root,
and is mounted on by its descriptor, as /proc/self/fd/N or by move_mount(2). Needs Linux 5.12 (mount_setattr).
"""

from __future__ import annotations

import os
import stat
import struct
from errno import EEXIST, ENOENT, EROFS
from pathlib import PurePosixPath

from pod_runner.kernel.program import FIRST_FIXED, Program, Result, Text

AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000  # linux/fcntl.h
OPEN_TREE_CLONE = 1  # linux/mount.h, with what follows
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR_IDMAP = 0x00100000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 18, 1 << 19, 1 << 20
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2
# linux/openat2.h
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 2, 4, 8, 0x10
PROPAGATION = {"private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED}
DIRECTORY = os.O_PATH | os.O_DIRECTORY
_HOW = struct.Struct("=3Q")  # struct open_how: flags, mode, resolve
_ATTR = struct.Struct("=4Q")  # struct mount_attr: set, clear, propagation, user namespace
TARGET_FD = FIRST_FIXED  # what mount(2)'s target is meanwhile
_TARGET = Text(f"/proc/self/fd/{TARGET_FD}")


def open_in(
    program: Program,
    folder: int | Result,
    path: str,
    *,
    flags: int = os.O_PATH,
    resolve: int = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    meaning: str = "",
    tolerate: tuple[int, ...] = (),
    on_error: int = 0,
    on_success: int = 0,
) -> Result:
    """Open a path below a folder; by default links lead as if the folder were the root."""
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    said = meaning or f"open {path}"
    below = (path if folder == AT_FDCWD else path.lstrip("/")) or "."
    return program.call(
        said, "openat2", folder, Text(below), how, len(how),
        tolerate=tolerate, on_error=on_error, on_success=on_success,
    )  # fmt: skip


def open_target(
    program: Program,
    root: int | Result,
    path: str,
    *,
    is_folder: bool = True,
    mode: int = 0o755,
    resolve: int = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
) -> Result:
    """Open a path below the root, and make first what is not there of it."""
    parts = PurePosixPath("/", path).parts[1:]
    calls = 2 * len(parts)
    found = (EEXIST, EROFS)  # a read-only root may have it; if not, the last call says so
    open_in(program, root, path, tolerate=(ENOENT,), on_success=calls, resolve=resolve)
    for depth, name in enumerate(parts):
        above = open_in(program, root, "/".join(parts[:depth]), flags=DIRECTORY, resolve=resolve)
        said = f"mkdir -p {path}" if is_folder else f"touch {path}"
        if is_folder or depth < len(parts) - 1:
            program.call(said, "mkdirat", above, Text(name), mode, tolerate=found)
        else:
            program.call(said, "mknodat", above, Text(name), stat.S_IFREG | 0o644, 0, tolerate=found)
    return open_in(program, root, path, resolve=resolve)


def mount(
    program: Program,
    kind: str,
    target: Result,
    path: str,
    options: str = "",
    flags: int = 0,
    *,
    shown: str = "",
    tolerate: tuple[int, ...] = (),
    on_success: int = 0,
) -> None:
    """Mount a file system on what was opened: two calls. `path`, and `shown` as options, are only said."""
    said_options = ",".join(one for one in (shown or options, "ro" if flags & MS_RDONLY else "") if one)
    said = f"mount -t {kind}{f' -o {said_options}' if said_options else ''} {kind} {path}"
    program.call(said, "dup3", target, TARGET_FD, os.O_CLOEXEC)
    data: Text | int = Text(options) if options else 0
    program.call(
        said, "mount", Text(kind), _TARGET, Text(kind), flags, data, tolerate=tolerate, on_success=on_success
    )


def clone_tree(
    program: Program,
    source: int | Result,
    meaning: str,
    *,
    is_recursive: bool = True,
    tolerate: tuple[int, ...] = (),
) -> Result:
    """Make a detached copy of the mounts at what was opened (open_tree(2))."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | (AT_RECURSIVE if is_recursive else 0)
    return program.call(meaning, "open_tree", source, Text(""), flags, tolerate=tolerate)


def set_attributes(
    program: Program,
    tree: int | Result,
    meaning: str,
    *,
    attributes: int = 0,
    propagation: int = 0,
    user_namespace: int = 0,
    is_recursive: bool = True,
    tolerate: tuple[int, ...] = (),
) -> None:
    """Change a tree of mounts (mount_setattr(2)); `user_namespace`: a descriptor's number."""
    body = _ATTR.pack(attributes, 0, propagation, user_namespace)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if is_recursive else 0)
    program.call(meaning, "mount_setattr", tree, Text(""), flags, body, len(body), tolerate=tolerate)


def attach_tree(
    program: Program, tree: Result, target: int | Result, meaning: str, *, tolerate: tuple[int, ...] = ()
) -> None:
    """Put a detached tree where something was opened (move_mount(2))."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    program.call(meaning, "move_mount", tree, Text(""), target, Text(""), flags, tolerate=tolerate)
