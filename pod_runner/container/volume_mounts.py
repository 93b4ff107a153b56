"""Volumes of a container as calls of a program: copied from the node first, put into the root later.

Between the two lie namespaces. A sub path is opened below its volume (RESOLVE_BENEATH) and copied by that
descriptor: what a container does to the path meanwhile, or later, changes nothing (CVE-2021-25741).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pod_runner.container.given import USER_FD
from pod_runner.container.spec import ContainerError, Mount, Tmpfs
from pod_runner.kernel import mounting
from pod_runner.kernel.mounting import (
    AT_FDCWD,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOSUID,
    PROPAGATION,
    RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS,
)
from pod_runner.kernel.program import Program, Result

Volume = tuple[Mount | Tmpfs, Result | None, bool]  # what, its copy, whether it is a folder


def gather_volumes(program: Program, mounts: Iterable[Mount | Tmpfs], *, is_mapped: bool) -> list[Volume]:
    """Copy the mounts' sources. `is_mapped`: with the ids of USER_FD's namespace.

    Raises:
        ContainerError: a target is where no volume may be, or a source is not there.
    """
    found: list[Volume] = []
    for one in mounts:
        _judge(one)
        if isinstance(one, Tmpfs):
            found.append((one, None, True))
        else:
            is_folder = _is_folder(one)
            found.append((one, _copy(program, one, is_folder=is_folder, is_mapped=is_mapped), is_folder))
    return sorted(found, key=lambda volume: len(PurePosixPath(volume[0].target).parts))


def attach_volumes(program: Program, root: Result, volumes: Iterable[Volume]) -> None:
    """Put volumes into a root, the outer ones first."""
    for one, tree, is_folder in volumes:
        target = mounting.open_target(program, root, one.target, is_folder=is_folder)
        if isinstance(one, Tmpfs):
            size = "" if one.size is None else f",size={one.size}"
            options = f"mode={one.mode:o}{size}"
            mounting.mount(program, "tmpfs", target, one.target, options, MS_NOSUID | MS_NODEV)
        elif tree is not None:
            mounting.attach_tree(program, tree, target, _said(one))


def _judge(one: Mount | Tmpfs) -> None:
    target = PurePosixPath(one.target)
    if not target.is_absolute() or ".." in target.parts or target == PurePosixPath("/"):
        raise ContainerError(
            f"a volume cannot be mounted at {one.target!r}: an absolute path below / is needed"
        )
    if target.parts[1] == "proc":  # what is masked there would not be (CVE-2019-16884)
        raise ContainerError(f"a volume cannot be mounted at {one.target}: /proc is the kernel's")
    if isinstance(one, Mount) and one.propagation not in PROPAGATION:
        raise ContainerError(f"mount propagation {one.propagation!r} is not one of {', '.join(PROPAGATION)}")


def _is_folder(one: Mount) -> bool:
    """Look what a source is; if it changes after that, the kernel refuses to mount one on the other."""
    try:
        mode = one.source.stat().st_mode
    except OSError as error:
        raise ContainerError(f"volume {one.source} for {one.target}: {error.strerror}") from error
    if not one.sub_path:
        return stat.S_ISDIR(mode)
    below = Path(one.source, one.sub_path)
    return not below.exists() or below.is_dir()


def _copy(program: Program, one: Mount, *, is_folder: bool, is_mapped: bool) -> Result:
    opened = mounting.open_in(program, AT_FDCWD, str(one.source), resolve=0)
    if one.sub_path:
        below = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
        opened = mounting.open_target(
            program, opened, one.sub_path, is_folder=is_folder, mode=_mode(one.source), resolve=below
        )
    tree = mounting.clone_tree(program, opened, _said(one))
    attributes = (MOUNT_ATTR_RDONLY if one.read_only else 0) | (MOUNT_ATTR_IDMAP if is_mapped else 0)
    mounting.set_attributes(
        program, tree, _said(one), attributes=attributes, propagation=PROPAGATION[one.propagation],
        user_namespace=USER_FD if is_mapped else 0,
    )  # fmt: skip
    return tree


def _mode(folder: Path) -> int:
    """Return the mode that a new sub path gets: its volume's, as kubelet gives it."""
    return stat.S_IMODE(os.stat(folder).st_mode)  # noqa: PTH116  only the number is wanted


def _said(one: Mount) -> str:
    options = "rbind" + (",ro" if one.read_only else "")
    return f"mount -o {options} {Path(one.source, one.sub_path)} {one.target}"
