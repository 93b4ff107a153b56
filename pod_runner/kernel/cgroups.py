"""Cgroups: limits, statistics and the end of all processes, whatever hierarchies a machine has.

A machine has version 2, version 1, or both (hybrid: the controllers are where version 1 has them); an
ordinary user, or a container, may have none that can be written: pods run without limits, and that is said.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pod_runner.container.spec import Resources
from pod_runner.kernel.cgroup_files import Usage
from pod_runner.kernel.cgroups_v1 import CgroupsV1
from pod_runner.kernel.cgroups_v2 import CgroupsV2
from pod_runner.kernel.devices import Rule

NO_CGROUPS = "no cgroup can be written here: limits are not applied, use is not counted"
MOUNTS = Path("/proc/self/mountinfo")
# Of version 1, those that limit or count; "freezer" ends all processes at once
KNOWN = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "devices", "freezer")


@dataclass(frozen=True)
class Cgroups:
    """The hierarchies of this machine. Paths are as in SandboxSpec.cgroup, below each hierarchy's root."""

    version: CgroupsV1 | CgroupsV2 | None

    @classmethod
    def detect(cls, mounts: str | None = None) -> Cgroups:
        """Look which hierarchies there are and may be written. `mounts`: mountinfo's text (proc(5))."""
        folders: dict[str, Path] = {}
        unified: Path | None = None
        for line in (MOUNTS.read_text() if mounts is None else mounts).splitlines():
            before, _, after = line.partition(" - ")
            folder, (kind, _, options) = Path(before.split()[4]), (*after.split(), "", "")[:3]
            if kind == "cgroup" and os.access(folder, os.W_OK):
                folders |= {one: folder for one in options.split(",") if one in KNOWN}
            elif kind == "cgroup2" and os.access(folder, os.W_OK):
                unified = folder
        if folders:
            return cls(CgroupsV1(folders))
        return cls(CgroupsV2(unified) if unified else None)

    def make(self, path: str, resources: Resources) -> list[str]:
        """Make a cgroup, or change its limits; return what could not be applied, as sentences.

        Raises:
            ContainerError: it cannot be made though there are cgroups.
        """
        if self.version is not None:
            return self.version.make(path, resources)
        return [NO_CGROUPS] if resources != Resources() else []

    def attach(self, path: str, pid: int) -> None:
        """Move a process. Raises ContainerError."""
        if self.version is not None:
            self.version.attach(path, pid)

    def entry_files(self, path: str) -> tuple[Path, ...]:
        """List the files of a cgroup of version 1 to which a process writes 0 to enter."""
        return self.version.entry_files(path) if isinstance(self.version, CgroupsV1) else ()

    def entry_folder(self, path: str) -> Path | None:
        """Return the folder of a cgroup of version 2, which a process is born into (clone3(2))."""
        return self.version.entry_folder(path) if isinstance(self.version, CgroupsV2) else None

    def hierarchies(self) -> dict[str, str]:
        """Return what a container may see as /sys/fs/cgroup: folder -> options; "" is version 2."""
        if isinstance(self.version, CgroupsV1):
            return self.version.hierarchies()
        return {} if self.version is None else {"": ""}

    def restrict_devices(self, path: str, allowed: tuple[Rule, ...]) -> str | None:
        """Let a cgroup's processes use these devices alone; return None, or a sentence that says why not."""
        return None if self.version is None else self.version.allow_devices(path, allowed)

    def signal(self, path: str) -> None:
        """Send SIGKILL to all processes of a cgroup and of those below, frozen ones too; wait for none."""
        if self.version is not None:
            self.version.signal(path)

    def kill(self, path: str) -> None:
        """End all processes of a cgroup and of those below, and wait for that. Raises ContainerError."""
        if self.version is not None:
            self.version.kill(path)

    def remove(self, path: str) -> None:
        """Remove a cgroup and those below; nothing happens where there is none.

        Raises:
            ContainerError: a process is in it.
        """
        if self.version is not None:
            self.version.remove(path)

    def remove_empty(self, path: str) -> None:
        """Remove a cgroup in which and below which nothing is; one that somebody uses stays."""
        for folder in self.version.places(path) if self.version is not None else ():
            with suppress(OSError):  # in use, or gone
                folder.rmdir()

    def usage(self, path: str) -> Usage:
        """Return what it has used."""
        return Usage() if self.version is None else self.version.usage(path)

    def oom_kills(self, path: str) -> int:
        """Return how many processes the kernel killed because memory had run out."""
        return 0 if self.version is None else self.version.oom_kills(path)

    def pids(self, path: str) -> list[int]:
        """Return the processes of a cgroup and of those below."""
        return [] if self.version is None else self.version.pids(path)
