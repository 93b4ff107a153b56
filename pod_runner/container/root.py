"""A container's root file system as calls of a program: an overlay of layers, or a folder as it is.

Layers are opened first and named by descriptor (lowerdir=/proc/self/fd/853:...): no path with a colon or a
comma can mean something else, nothing can be swapped meanwhile, and many layers fit into mount(2)'s page.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from errno import EINVAL
from pathlib import Path

from pod_runner.container.given import LAYER_FD, UPPER_FD, USER_FD, WORK_FD
from pod_runner.container.sandbox_program import STAGE
from pod_runner.container.spec import ContainerError, RootFs, RootPart
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
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
)
from pod_runner.kernel.program import Program, Result, Text

MOST_LAYERS = 128  # as many as Docker's images have; the kernel takes 500 (fs/overlayfs/params.c)


@dataclass(frozen=True)
class Layers:
    """Detached copies of what a root, or a part of it, is made of, with the ids of a user namespace."""

    lower: tuple[Result, ...]
    written: Result | None  # the folder that has `upper` and `work`


def gather_layers(program: Program, root: RootFs) -> list[Layers]:
    """Copy the mounts of a root and its parts with ids of USER_FD's namespace. Who has entered it may not."""
    return [_copy_layers(program, root), *(_copy_layers(program, part) for part in root.parts)]


def mount_root(program: Program, root: RootFs, copies: list[Layers] | None, *, is_user: bool) -> Result:
    """Mount the root on the stage, its parts on it, and return it opened.

    `copies`: of a user namespace of the pod's own. `is_user`: the mount namespace is a user namespace's,
    where overlayfs keeps its notes in user.* attributes.

    Raises:
        ContainerError: there are too many layers.
    """
    if not root.lower or len(root.lower) > MOST_LAYERS:
        raise ContainerError(f"a root file system has 1 to {MOST_LAYERS} layers, not {len(root.lower)}")
    place = _open_stage(program)
    if copies is not None:  # a place for each: overlayfs takes no layer that is nowhere (before 6.15)
        mounting.mount(program, "tmpfs", place, STAGE, "mode=755,size=64k", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        place = _open_stage(program)
    opened = _mount(program, root, (place, "root"), copies[0] if copies else None, is_user=is_user)
    for number, part in enumerate(root.parts):
        copy = copies[number + 1] if copies else None
        _mount_part(program, part, (place, str(number)), opened, copy, is_user=is_user)
    return opened


def _mount(
    program: Program, root: RootFs, place: tuple[Result, str], copy: Layers | None, *, is_user: bool
) -> Result:
    """Mount the root at the place, or in a folder of it where there are copies; return it opened."""
    stage, name = place
    is_plain = root.upper is None and len(root.lower) == 1
    if copy is None:
        if is_plain:
            _bind(program, root.lower[0], stage, STAGE)
        else:
            _open_layers(program, root)
            _overlay(program, root, stage, STAGE, is_user=is_user)
        opened = _open_stage(program)
    else:
        target = mounting.open_target(program, stage, name)
        if is_plain:
            mounting.attach_tree(program, copy.lower[0], target, f"mount --move LAYER {STAGE}/{name}")
        else:
            _place_layers(program, root, copy, stage, f"layers-{name}")
            _overlay(program, root, target, f"{STAGE}/{name}", is_user=True)
        opened = mounting.open_in(program, stage, name, flags=DIRECTORY)
    if is_plain:
        _make_read_only(program, opened)
    return opened


def _mount_part(
    program: Program,
    part: RootPart,
    place: tuple[Result, str],
    root: Result,
    copy: Layers | None,
    *,
    is_user: bool,
) -> None:
    said = f"/{part.target}"
    target = mounting.open_in(program, root, part.target, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    if part.upper is None:
        if copy is None:
            opened = mounting.open_in(program, AT_FDCWD, str(part.lower[0]), resolve=0)
            tree = mounting.clone_tree(program, opened, f"mount --rbind {part.lower[0]} {said}")
        else:
            tree = copy.lower[0]
        _make_read_only(program, tree)
        mounting.attach_tree(program, tree, target, f"mount --rbind -o ro {part.lower[0]} {said}")
        return
    if copy is None:
        _open_layers(program, part)
    else:
        _place_layers(program, part, copy, place[0], f"layers-{place[1]}")
    _overlay(program, part, target, said, is_user=is_user)


def _overlay(program: Program, root: RootFs | RootPart, target: Result, path: str, *, is_user: bool) -> None:
    names = [f"/proc/self/fd/{LAYER_FD + number}" for number in range(len(root.lower))]
    opened = _options(names, f"/proc/self/fd/{UPPER_FD}" if root.upper else "", f"/proc/self/fd/{WORK_FD}")
    shown = _options([str(one) for one in root.lower], str(root.upper or ""), str(root.work))
    more = ",userxattr" if is_user else ""
    mounting.mount(program, "overlay", target, path, opened + more, shown=shown + more)


def _options(lower: list[str], upper: str, work: str) -> str:
    return f"lowerdir={':'.join(lower)}" + (f",upperdir={upper},workdir={work}" if upper else "")


def _bind(program: Program, folder: Path, target: Result, path: str) -> None:
    """Show a folder, with what is mounted below where the kernel does not allow to leave that out."""
    source = mounting.open_in(program, AT_FDCWD, str(folder), flags=DIRECTORY, resolve=0)
    flat = mounting.OPEN_TREE_CLONE | os.O_CLOEXEC | mounting.AT_EMPTY_PATH
    # Mounts that another user namespace made stay locked over what they hide (EINVAL): then all are copied
    said = f"mount --bind {folder} {path}"
    tree = program.call(said, "open_tree", source, Text(""), flat, tolerate=(EINVAL,), on_error=2)
    mounting.attach_tree(program, tree, target, said)
    program.skip(2)
    tree = mounting.clone_tree(program, source, f"mount --rbind {folder} {path}")
    mounting.attach_tree(program, tree, target, f"mount --rbind {folder} {path}")


def _make_read_only(program: Program, tree: Result) -> None:
    mounting.set_attributes(program, tree, "mount -o remount,ro ROOT", attributes=MOUNT_ATTR_RDONLY)


def _open_layers(program: Program, root: RootFs | RootPart) -> None:
    """Give the layers the descriptors that the mount's options name."""
    for number, folder in enumerate(root.lower):
        _open_as(program, AT_FDCWD, str(folder), LAYER_FD + number)
    if root.upper is not None:
        _open_as(program, AT_FDCWD, str(root.upper), UPPER_FD)
        _open_as(program, AT_FDCWD, str(root.work), WORK_FD)


def _place_layers(program: Program, root: RootFs | RootPart, copy: Layers, stage: Result, name: str) -> None:
    """Attach the copies in a folder of the stage, and give them those descriptors."""
    for number, tree in enumerate(copy.lower):
        _place(program, stage, tree, f"{name}/{number}")
        program.call(f"open layer {number}", "dup3", tree, LAYER_FD + number, os.O_CLOEXEC)
    if copy.written is not None and root.upper is not None and root.work is not None:
        _place(program, stage, copy.written, f"{name}/written")
        _open_as(program, copy.written, root.upper.name, UPPER_FD)
        _open_as(program, copy.written, root.work.name, WORK_FD)


def _place(program: Program, stage: Result, tree: Result, name: str) -> None:
    target = mounting.open_target(program, stage, name)
    mounting.attach_tree(program, tree, target, f"mount --move LAYER {STAGE}/{name}")


def _copy_layers(program: Program, root: RootFs | RootPart) -> Layers:
    """Copy one root's, or one part's."""
    is_bound = isinstance(root, RootPart) and root.upper is None
    lower = tuple(_copy_with_ids(program, one, is_recursive=is_bound) for one in root.lower)
    if root.upper is None or root.work is None:
        return Layers(lower, None)
    if root.upper.parent != root.work.parent:
        raise ContainerError(f"{root.upper} and {root.work} are not in one folder")
    return Layers(lower, _copy_with_ids(program, root.upper.parent, is_recursive=False))


def _copy_with_ids(program: Program, folder: Path, *, is_recursive: bool) -> Result:
    opened = mounting.open_in(program, AT_FDCWD, str(folder), resolve=0)
    said = f"mount --bind -o X-mount.idmap {folder}"
    tree = mounting.clone_tree(program, opened, said, is_recursive=is_recursive)
    mounting.set_attributes(
        program, tree, said, attributes=MOUNT_ATTR_IDMAP, propagation=MS_PRIVATE, user_namespace=USER_FD,
        is_recursive=is_recursive,
    )  # fmt: skip
    return tree


def _open_as(program: Program, above: int | Result, path: str, number: int) -> None:
    resolve = 0 if above == AT_FDCWD else mounting.RESOLVE_IN_ROOT
    opened = mounting.open_in(program, above, path, flags=DIRECTORY, resolve=resolve)
    program.call(f"open {path}", "dup3", opened, number, os.O_CLOEXEC)
    program.call(f"open {path}", "close", opened)


def _open_stage(program: Program) -> Result:
    return mounting.open_in(program, AT_FDCWD, STAGE, flags=DIRECTORY, resolve=0)
