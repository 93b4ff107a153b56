"""Cgroups: limits, statistics and the end of all processes, whatever hierarchies a machine has."""

from __future__ import annotations

from typing import NamedTuple

from pod_runner.container.spec import Resources


class Usage(NamedTuple):
    """What a cgroup and all below it have used; times in nanoseconds, sizes in bytes, 0 where nobody counts."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    memory_working_set: int = 0  # without page cache that the kernel may drop, as cAdvisor reckons
    pids: int = 0
    io_read_bytes: int = 0
    io_write_bytes: int = 0
    throttled_ns: int = 0


class Cgroups:
    """The hierarchies of this machine. Paths are as in SandboxSpec.cgroup, below each hierarchy's root."""

    @classmethod
    def detect(cls) -> Cgroups:
        """Look which hierarchies there are and may be written."""
        raise NotImplementedError

    def make(self, path: str, resources: Resources) -> list[str]:
        """Make a cgroup, or change its limits; return what could not be applied, as sentences."""
        raise NotImplementedError

    def attach(self, path: str, pid: int) -> None:
        """Move a process."""
        raise NotImplementedError

    def kill(self, path: str) -> None:
        """End all processes of a cgroup and of those below."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove a cgroup and those below; nothing happens where there is none. No process may be in it."""
        raise NotImplementedError

    def usage(self, path: str) -> Usage:
        """Return what it has used."""
        raise NotImplementedError

    def oom_kills(self, path: str) -> int:
        """Return how many processes the kernel killed because memory had run out."""
        raise NotImplementedError

    def pids(self, path: str) -> list[int]:
        """Return the processes of a cgroup and of those below."""
        raise NotImplementedError
