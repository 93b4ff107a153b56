"""A container's root file system as calls of a program: an overlay of layers, or a folder as it is.

Layers are opened first and named by descriptor (lowerdir=/proc/self/fd/100:...): no path with a colon or a
comma can mean something else, nothing can be swapped meanwhile, and many layers fit into mount(2)'s page.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from errno import EINVAL
from pathlib import Path

from pod_runner.container.given import LAYER_FD, USER_FD
from pod_runner.container.sandbox_program import STAGE
from pod_runner.container.spec import ContainerError, RootFs
from pod_runner.kernel import mounting
from pod_runner.kernel.mounting import (
    AT_FDCWD,
    DIRECTORY,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
)
from pod_runner.kernel.program import Program, Result, Text

UPPER_FD, WORK_FD = LAYER_FD - 2, LAYER_FD - 1
MOST_LAYERS = 128  # as many as Docker's images have; the kernel takes 500 (fs/overlayfs/params.c)


@dataclass(frozen=True)
class Layers:
    """Detached copies of what a root is made of, with the ids of a user namespace."""

    lower: tuple[Result, ...]
    written: Result | None  # the folder that has `upper` and `work`


def gather_layers(program: Program, root: RootFs) -> Layers:
    """Copy the layers' mounts with ids of USER_FD's namespace. Who has entered it may not."""
    lower = tuple(_copy_with_ids(program, one) for one in root.lower)
    if root.upper is None or root.work is None:
        return Layers(lower, None)
    if root.upper.parent != root.work.parent:
        raise ContainerError(f"{root.upper} and {root.work} are not in one folder")
    return Layers(lower, _copy_with_ids(program, root.upper.parent))


def mount_root(program: Program, root: RootFs, layers: Layers | None, *, is_user: bool) -> Result:
    """Mount the root on the stage, and return it opened.

    `is_user`: the mount namespace is a user namespace's, where overlayfs uses user.* attributes.
    """
    if not root.lower or len(root.lower) > MOST_LAYERS:
        raise ContainerError(f"a root file system has 1 to {MOST_LAYERS} layers, not {len(root.lower)}")
    if layers is not None:
        return _mount_copies(program, root, layers)
    if root.upper is None and len(root.lower) == 1:
        return _bind(program, root.lower[0])
    for number, folder in enumerate(root.lower):
        _open_as(program, AT_FDCWD, str(folder), LAYER_FD + number)
    if root.upper is not None:
        _open_as(program, AT_FDCWD, str(root.upper), UPPER_FD)
        _open_as(program, AT_FDCWD, str(root.work), WORK_FD)
    stage = _open_stage(program)
    _mount_overlay(program, root, stage, STAGE, is_user=is_user)
    return _open_stage(program)


def _mount_overlay(program: Program, root: RootFs, target: Result, path: str, *, is_user: bool) -> None:
    names = ":".join(f"/proc/self/fd/{LAYER_FD + number}" for number in range(len(root.lower)))
    options = f"lowerdir={names}"
    if root.upper is not None:
        options += f",upperdir=/proc/self/fd/{UPPER_FD},workdir=/proc/self/fd/{WORK_FD}"
    mounting.mount(program, "overlay", target, path, options + (",userxattr" if is_user else ""))


def _bind(program: Program, folder: Path) -> Result:
    """Show a folder read-only; with what is mounted below where the kernel does not allow to leave it out."""
    source = mounting.open_in(program, AT_FDCWD, str(folder), flags=DIRECTORY, resolve=0)
    said = f"mount --bind -o ro {folder} {STAGE}"
    stage = _open_stage(program)
    flat = mounting.OPEN_TREE_CLONE | os.O_CLOEXEC | mounting.AT_EMPTY_PATH
    # Mounts that another user namespace made stay locked over what they hide (EINVAL): then all are copied
    for flags, tolerated in ((flat, (EINVAL,)), (flat | mounting.AT_RECURSIVE, ())):
        tree = program.call(
            said, "open_tree", source, Text(""), flags, tolerate=tolerated, on_error=2, on_success=0
        )
        mounting.attach_tree(program, tree, stage, said)
        if tolerated:
            program.skip(2)
    root = _open_stage(program)
    mounting.set_attributes(program, root, said, attributes=MOUNT_ATTR_RDONLY)
    return root


def _mount_copies(program: Program, root: RootFs, layers: Layers) -> Result:
    """Give each copy a place first: overlayfs takes no layer that is nowhere (before Linux 6.15)."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    stage = _open_stage(program)
    mounting.mount(program, "tmpfs", stage, STAGE, "mode=755,size=64k", flags)
    stage = _open_stage(program)
    for number, tree in enumerate(layers.lower):
        _place(program, stage, tree, str(number), LAYER_FD + number)
    if layers.written is not None and root.upper is not None and root.work is not None:
        written = _place(program, stage, layers.written, "written", WORK_FD)
        _open_as(program, written, root.upper.name, UPPER_FD)
        _open_as(program, written, root.work.name, WORK_FD)
    if root.upper is None and len(layers.lower) == 1:
        only = mounting.open_in(program, stage, "0", flags=DIRECTORY)
        mounting.set_attributes(program, only, "mount -o remount,ro ROOT", attributes=MOUNT_ATTR_RDONLY)
        return only
    target = mounting.open_target(program, stage, "root")
    _mount_overlay(program, root, target, f"{STAGE}/root", is_user=True)
    return mounting.open_in(program, stage, "root", flags=DIRECTORY)


def _place(program: Program, stage: Result, tree: Result, name: str, number: int) -> Result:
    target = mounting.open_target(program, stage, name)
    mounting.attach_tree(program, tree, target, f"mount --move LAYER {STAGE}/{name}")
    program.call(f"open layer {name}", "dup3", tree, number, os.O_CLOEXEC)
    return tree


def _copy_with_ids(program: Program, folder: Path) -> Result:
    opened = mounting.open_in(program, AT_FDCWD, str(folder), flags=DIRECTORY, resolve=0)
    said = f"mount --bind -o X-mount.idmap {folder}"
    tree = mounting.clone_tree(program, opened, said, is_recursive=False)
    mounting.set_attributes(
        program, tree, said, attributes=MOUNT_ATTR_IDMAP, propagation=MS_PRIVATE, user_namespace=USER_FD,
        is_recursive=False,
    )  # fmt: skip
    return tree


def _open_as(program: Program, above: int | Result, path: str, number: int) -> None:
    resolve = 0 if above == AT_FDCWD else mounting.RESOLVE_IN_ROOT
    opened = mounting.open_in(program, above, path, flags=DIRECTORY, resolve=resolve)
    program.call(f"open {path}", "dup3", opened, number, os.O_CLOEXEC)


def _open_stage(program: Program) -> Result:
    return mounting.open_in(program, AT_FDCWD, STAGE, flags=DIRECTORY, resolve=0)
