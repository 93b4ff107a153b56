"""Volumes in memory, which several containers share and which end with their pod.

Each is a tmpfs that is mounted in a mount namespace of the supervisor's own: when all who have it are gone,
so is it, and nothing has to be unmounted. So that it does not end with a supervisor that is killed, the
pause process gets it too (`keep`), and the next supervisor takes it from there (`take_back`). A process with
several threads may not do that (setns(2)).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pod_runner.kernel.calls import call
from pod_runner.kernel.mounting import (
    AT_FDCWD,
    MOVE_MOUNT_F_EMPTY_PATH,
    MS_NODEV,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    OPEN_TREE_CLONE,
)
from pod_runner.kernel.namespaces import MOUNT

KEPT = "/volumes"  # in the pause process's root, which nobody else sees


@dataclass(frozen=True)
class MemoryVolume:
    """A tmpfs. `size` in bytes, None: half of the memory; `gid` None: root's."""

    path: Path
    size: int | None = None
    gid: int | None = None

    @property
    def options(self) -> str:
        """Return what tmpfs(5) is told."""
        size = "" if self.size is None else f",size={self.size}"
        return (f"mode=2777,gid={self.gid}" if self.gid is not None else "mode=1777") + size


def leave_node_mounts() -> None:
    """Give this process mounts of its own: it sees what the node mounts later, the node does not see ours.

    Raises:
        OSError: it may not, or has several threads.
    """
    call("unshare", MOUNT)
    call("mount", "none", "/", "", MS_REC | MS_SLAVE, 0)


def ensure_mounted(volumes: list[MemoryVolume], pause: int = 0) -> None:
    """Mount volumes that are not mounted yet; what a pause process keeps is taken from it. Raises OSError."""
    for one in volumes:
        one.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if all(one.path.is_mount() for one in volumes):
        return  # the sandbox is made anew, its volumes stay
    leave_node_mounts()
    if pause:
        take_back(volumes, pause)
    for one in volumes:
        if not one.path.is_mount():
            call("mount", "volume", str(one.path), "tmpfs", MS_NOSUID | MS_NODEV, one.options)


def keep(volumes: list[MemoryVolume], pause: int) -> None:
    """Mount them in the pause process's namespace as well. Raises OSError."""
    trees = {one.path.name: _clone(str(one.path)) for one in volumes}
    try:
        with _inside(pause):
            for name, tree in trees.items():
                place = f"{KEPT}/{name}"
                Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
                if not Path(place).is_mount():
                    _attach(tree, place)
    finally:
        for tree in trees.values():
            os.close(tree)


def take_back(volumes: list[MemoryVolume], pause: int) -> None:
    """Mount here what the pause process of an earlier supervisor has kept. Raises OSError."""
    trees: dict[Path, int] = {}
    try:
        with _inside(pause):
            for one in volumes:
                with suppress(FileNotFoundError):  # killed before it was kept: there is nothing in it yet
                    trees[one.path] = _clone(f"{KEPT}/{one.path.name}")
        for path, tree in trees.items():
            if not path.is_mount():
                _attach(tree, str(path))
    finally:
        for tree in trees.values():
            os.close(tree)


@contextmanager
def _inside(pause: int) -> Iterator[None]:
    """Be in a process's mount namespace, and come back, to the same folder."""
    here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    folder = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pause}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("setns", there, MOUNT)
        finally:
            os.close(there)
        try:
            yield
        finally:
            call("setns", here, MOUNT)
            os.fchdir(folder)
    finally:
        os.close(here)
        os.close(folder)


def _clone(path: str) -> int:
    return call("open_tree", AT_FDCWD, path, OPEN_TREE_CLONE | os.O_CLOEXEC)


def _attach(tree: int, path: str) -> None:
    call("move_mount", tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH)
