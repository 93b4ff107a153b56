"""Cgroups of version 2: one tree, controllers passed on from folder to folder (admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pod_runner.container.spec import ContainerError, Resources
from pod_runner.kernel import devices
from pod_runner.kernel.cgroup_files import (
    PERIOD,
    Usage,
    end_processes,
    kill_all,
    make_folder,
    pids_of,
    quota,
    read,
    read_keyed,
    read_number,
    remove_folder,
    write,
)
from pod_runner.kernel.devices import Rule

CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


@dataclass(frozen=True)
class CgroupsV2:
    """The tree, from its mount point on."""

    root: Path

    def make(self, path: str, resources: Resources) -> list[str]:
        """Make a cgroup, pass the controllers on to it, and write its limits."""
        folder = self._folder(path)
        make_folder(folder)
        self._pass_on(folder)
        return [said for name, value in limits(resources) if (said := write(folder / name, value))]

    def signal(self, path: str) -> None:
        """Send SIGKILL to all processes: at once by cgroup.kill (Linux 5.14), or one by one."""
        folder = self._folder(path)
        if (folder / "cgroup.kill").exists():
            write(folder / "cgroup.kill", "1")
        else:
            kill_all(pids_of(folder))

    def kill(self, path: str) -> None:
        """End all processes."""
        self.signal(path)
        end_processes(self._folder(path))

    def remove(self, path: str) -> None:
        """Remove the cgroup."""
        remove_folder(self._folder(path))

    def pids(self, path: str) -> list[int]:
        """List processes."""
        return pids_of(self._folder(path))

    def attach(self, path: str, pid: int) -> None:
        """Move a process."""
        if said := write(self._folder(path) / "cgroup.procs", str(pid)):
            raise ContainerError(f"move process {pid} to the cgroup {path}: {said}")

    def entry_folder(self, path: str) -> Path:
        """Return the folder that clone3(2) starts a process in (CLONE_INTO_CGROUP), without a global lock."""
        return self._folder(path)

    def allow_devices(self, path: str, rules: tuple[Rule, ...]) -> str | None:
        """Let the cgroup's processes use these devices and no other; return None, or why not."""
        try:
            devices.attach(self._folder(path), rules)
        except OSError as error:
            return f"device nodes are not restricted: bpf(2): {error.strerror}"
        return None

    def usage(self, path: str) -> Usage:
        """Read the statistics; each counts what is below, too."""
        folder = self._folder(path)
        cpu, memory = read_keyed(folder / "cpu.stat"), read_number(folder / "memory.current")
        inactive = read_keyed(folder / "memory.stat").get("inactive_file", 0)
        read_bytes, written = _io(read(folder / "io.stat"))
        return Usage(
            cpu_ns=cpu.get("usage_usec", 0) * 1000,
            memory_bytes=memory,
            memory_working_set=max(memory - inactive, 0),
            pids=read_number(folder / "pids.current") or len(pids_of(folder)),
            io_read_bytes=read_bytes,
            io_write_bytes=written,
            throttled_ns=cpu.get("throttled_usec", 0) * 1000,
        )

    def oom_kills(self, path: str) -> int:
        """Read the count, which has what is below, too."""
        return read_keyed(self._folder(path) / "memory.events").get("oom_kill", 0)

    def places(self, path: str) -> Iterator[Path]:
        """Give the cgroup's folder."""
        yield self._folder(path)

    def _folder(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _pass_on(self, folder: Path) -> None:
        """Enable what there is of our controllers above; a limit that lacks its own says so."""
        for above in reversed(folder.relative_to(self.root).parents):
            place = self.root / above
            for controller in set(CONTROLLERS) & set(read(place / "cgroup.controllers").split()):
                write(place / "cgroup.subtree_control", f"+{controller}")


def limits(resources: Resources) -> list[tuple[str, str]]:
    """List file and value of each limit."""
    swap = None if resources.memory_swap is None else str(resources.memory_swap)
    wanted = {
        "cpu.weight": resources.cpu_weight,
        "cpu.max": resources.cpu_quota and f"{quota(resources.cpu_quota)} {PERIOD}",
        "cpuset.cpus": resources.cpuset or None,
        "memory.swap.max": swap,
        "memory.low": resources.memory_reservation,
        "memory.max": resources.memory_limit,
        "pids.max": resources.pids_limit,
        "io.weight": resources.io_weight and f"default {resources.io_weight}",
    }
    return [(name, str(value)) for name, value in wanted.items() if value is not None]


def _io(text: str) -> tuple[int, int]:
    sums = {"rbytes": 0, "wbytes": 0}
    for field in text.split():
        key, _, value = field.partition("=")
        if key in sums:
            sums[key] += int(value)
    return sums["rbytes"], sums["wbytes"]
