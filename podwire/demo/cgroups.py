"""Give a world one place in every cgroup hierarchy of the machine, and take it back.

Runtimes make cgroups wherever they like below the root they see. A world's first process is moved into a
cgroup of its own before its cgroup namespace is made, so that this cgroup is the root that runtimes see
(cgroup_namespaces(7)); afterwards there is one folder a hierarchy to remove.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "podwire-"
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")  # empty in a new v1 cgroup, which then takes no process


@dataclass(frozen=True)
class Hierarchy:
    """Hold one mounted cgroup hierarchy; `options` name its controllers for mount(8), empty for v2."""

    mount_point: Path
    kind: str  # "cgroup" (v1) or "cgroup2"
    options: str


def hierarchies() -> tuple[Hierarchy, ...]:
    """List the machine's cgroup hierarchies in the order they are mounted (proc(5), mountinfo)."""
    return tuple(_parse_mounts(Path("/proc/self/mountinfo").read_text()))


def _parse_mounts(mountinfo: str) -> Iterator[Hierarchy]:
    for line in mountinfo.splitlines():
        place, _, file_system = line.partition(" - ")
        kind, _, super_options = file_system.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            wanted = [option for option in super_options.split(",") if option not in ("rw", "ro")]
            options = ",".join(wanted) if kind == "cgroup" else ""
            yield Hierarchy(Path(place.split(" ")[4]), kind, options)


class CgroupHome:
    """Hold a folder in every hierarchy; make it empty, remove it with all that grew below.

    Its name tells the process that made it, so that the next home sweeps up after one that was killed.
    """

    def __init__(self) -> None:
        self.hierarchies = hierarchies()
        self._name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        _sweep(self.hierarchies)
        for hierarchy in self.hierarchies:
            folder = hierarchy.mount_point / self._name
            folder.mkdir()
            _inherit_cpuset(hierarchy.mount_point, folder)

    def folders(self) -> tuple[Path, ...]:
        """List the folders, one a hierarchy."""
        return tuple(hierarchy.mount_point / self._name for hierarchy in self.hierarchies)

    def mount_script(self) -> str:
        """Write the shell lines that show a process inside its own cgroups at the usual places."""
        lines = ["umount -R /sys/fs/cgroup"] if self.hierarchies else []
        if any(hierarchy.kind == "cgroup" for hierarchy in self.hierarchies):
            lines.append("mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup")
        for hierarchy in self.hierarchies:
            options = f"-o {hierarchy.options}" if hierarchy.options else ""
            lines.append(f"mkdir -p {hierarchy.mount_point}")
            lines.append(f"mount -t {hierarchy.kind} {options} {hierarchy.kind} {hierarchy.mount_point}")
        return "\n".join(lines)

    def remove(self) -> None:
        """Remove the folders, deepest first; every process in them must have ended."""
        for folder in self.folders():
            _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    below = [path for path in folder.rglob("*") if path.is_dir()]
    for path in (*sorted(below, key=lambda path: -len(path.parts)), folder):
        path.rmdir()


def _sweep(seen: tuple[Hierarchy, ...]) -> None:
    """Remove the homes whose makers were killed before they could."""
    for hierarchy in seen:
        for folder in hierarchy.mount_point.glob(f"{PREFIX}*"):
            maker = folder.name.removeprefix(PREFIX).partition("-")[0]
            if maker.isdecimal() and not Path("/proc", maker).exists():  # others' names may begin like ours
                with suppress(OSError):  # EBUSY: its processes are still on their way out
                    _remove_tree(folder)


def _inherit_cpuset(parent: Path, folder: Path) -> None:
    """Give a new v1 cpuset cgroup its parent's processors and memory nodes (cpuset(7))."""
    for name in CPUSET_FILES:
        target = folder / name
        if (parent / name).exists() and target.exists() and not target.read_text().strip():
            target.write_text((parent / name).read_text())
