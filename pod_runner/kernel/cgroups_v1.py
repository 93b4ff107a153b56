"""Cgroups of version 1: a hierarchy for each controller, or for a few (admin-guide/cgroup-v1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pod_runner.container.spec import ContainerError, Resources
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
    tree,
    write,
)
from pod_runner.kernel.devices import Rule


@dataclass(frozen=True)
class CgroupsV1:
    """Hierarchies by controller; some may share a folder ("cpu,cpuacct")."""

    folders: dict[str, Path]

    def make(self, path: str, resources: Resources) -> list[str]:
        """Make a cgroup in each hierarchy, and write its limits."""
        for folder in self.places(path):
            make_folder(folder)
        if cpuset := self.folders.get("cpuset"):
            _inherit_cpuset(cpuset, path)
        notes = [self._apply(path, *one) for one in limits(resources)]
        notes += self._apply_memory(path, resources)
        return [one for one in notes if one]

    def signal(self, path: str) -> None:
        """Send SIGKILL to all processes; none can fork meanwhile where there is a freezer."""
        freezer = self._folder("freezer", path)
        if freezer is None:
            kill_all(self.pids(path))
        elif pids_of(freezer):
            write(freezer / "freezer.state", "FROZEN")
            kill_all(pids_of(freezer))
            write(freezer / "freezer.state", "THAWED")

    def kill(self, path: str) -> None:
        """End all processes."""
        self.signal(path)
        for folder in self.places(path):
            end_processes(folder)

    def remove(self, path: str) -> None:
        """Remove the cgroup everywhere."""
        for folder in self.places(path):
            remove_folder(folder)

    def pids(self, path: str) -> list[int]:
        """List processes; a hierarchy is asked that has them all."""
        return pids_of(next(self.places(path)))

    def attach(self, path: str, pid: int) -> None:
        """Move a process, in each hierarchy."""
        for folder in self.places(path):
            if said := write(folder / "cgroup.procs", str(pid)):
                raise ContainerError(f"move process {pid} to the cgroup {folder}: {said}")

    def entry_files(self, path: str) -> tuple[Path, ...]:
        """List the files to which a process writes 0 to enter: `tasks` takes a thread, and no global lock."""
        return tuple(folder / "tasks" for folder in self.places(path))

    def hierarchies(self) -> dict[str, str]:
        """Return the folders' names, and the controllers of each as options of mount(8)."""
        together: dict[str, list[str]] = {}
        for controller, folder in self.folders.items():
            together.setdefault(folder.name, []).append(controller)
        return {name: ",".join(controllers) for name, controllers in together.items()}

    def usage(self, path: str) -> Usage:
        """Read the statistics."""
        memory = read_number(self._file("memory", path, "memory.usage_in_bytes"))
        inactive = read_keyed(self._file("memory", path, "memory.stat")).get("total_inactive_file", 0)
        throttled = [read_keyed(one / "cpu.stat").get("throttled_time", 0) for one in self._tree("cpu", path)]
        read_bytes, written = self._io(path)
        return Usage(
            cpu_ns=read_number(self._file("cpuacct", path, "cpuacct.usage")),
            memory_bytes=memory,
            memory_working_set=max(memory - inactive, 0),
            pids=read_number(self._file("pids", path, "pids.current")) or len(self.pids(path)),
            io_read_bytes=read_bytes,
            io_write_bytes=written,
            throttled_ns=sum(throttled),  # the kernel counts each cgroup's own alone
        )

    def oom_kills(self, path: str) -> int:
        """Sum over the cgroups below: the kernel counts each cgroup's own alone."""
        files = (one / "memory.oom_control" for one in self._tree("memory", path))
        return sum(read_keyed(one).get("oom_kill", 0) for one in files)

    def allow_devices(self, path: str, rules: tuple[Rule, ...]) -> str | None:
        """Let the cgroup's processes use these devices and no other; return None, or why not."""
        folder = self._folder("devices", path)
        if folder is None:
            return "there is no devices controller: device nodes are not restricted"
        orders = [
            write(folder / "devices.deny", "a"),
            *(write(folder / "devices.allow", str(one)) for one in rules),
        ]
        return next((one for one in orders if one), None)

    def places(self, path: str) -> Iterator[Path]:
        """Give the cgroup's folders, one a hierarchy."""
        return (folder / path.lstrip("/") for folder in dict.fromkeys(self.folders.values()))

    def _folder(self, controller: str, path: str) -> Path | None:
        folder = self.folders.get(controller)
        return None if folder is None else folder / path.lstrip("/")

    def _file(self, controller: str, path: str, name: str) -> Path:
        folder = self._folder(controller, path)
        return Path("/nonexistent", name) if folder is None else folder / name

    def _tree(self, controller: str, path: str) -> Iterator[Path]:
        folder = self._folder(controller, path)
        return iter(()) if folder is None else tree(folder)

    def _apply(self, path: str, controller: str, name: str, value: str) -> str | None:
        folder = self._folder(controller, path)
        if folder is None:
            return f"{name}={value} was not applied: there is no {controller} controller"
        return write(folder / name, value)

    def _apply_memory(self, path: str, resources: Resources) -> Iterator[str | None]:
        """Write limits of memory; memory alone may at no time be above memory and swap."""
        wanted = memory_limits(resources)
        if wanted and self._apply(path, *wanted[0]) is not None:
            wanted.reverse()
        yield from (self._apply(path, *one) for one in wanted)

    def _io(self, path: str) -> tuple[int, int]:
        sums = {"Read": 0, "Write": 0}
        file = self._file("blkio", path, "blkio.throttle.io_service_bytes_recursive")
        for fields in map(str.split, read(file).splitlines()):
            if len(fields) == 3 and fields[1] in sums:
                sums[fields[1]] += int(fields[2])
        return sums["Read"], sums["Write"]


def limits(resources: Resources) -> list[tuple[str, str, str]]:
    """List controller, file and value of all limits but memory's."""
    wanted: list[tuple[str, str, str]] = []
    if resources.cpu_weight is not None:
        wanted.append(("cpu", "cpu.shares", str(shares(resources.cpu_weight))))
    if resources.cpu_quota is not None:
        wanted.append(("cpu", "cpu.cfs_period_us", str(PERIOD)))
        wanted.append(("cpu", "cpu.cfs_quota_us", str(quota(resources.cpu_quota))))
    if resources.cpuset:
        wanted.append(("cpuset", "cpuset.cpus", resources.cpuset))
    if resources.memory_reservation is not None:
        wanted.append(("memory", "memory.soft_limit_in_bytes", str(resources.memory_reservation)))
    if resources.pids_limit is not None:
        wanted.append(("pids", "pids.max", str(resources.pids_limit)))
    if resources.io_weight is not None:
        wanted.append(("blkio", "blkio.bfq.weight", str(10 + (resources.io_weight - 1) * 990 // 9999)))
    return wanted


def memory_limits(resources: Resources) -> list[tuple[str, str, str]]:
    """List controller, file and value of memory's limits, as they are written to a new cgroup."""
    if resources.memory_limit is None:
        return []
    wanted = [("memory", "memory.limit_in_bytes", str(resources.memory_limit))]
    if resources.memory_swap is not None:
        both = str(resources.memory_limit + resources.memory_swap)
        wanted.append(("memory", "memory.memsw.limit_in_bytes", both))
    return wanted


def shares(weight: int) -> int:
    """Return the cpu.shares (2 to 262,144) that runc would turn into this cpu.weight (1 to 10,000)."""
    return 2 + ((weight - 1) * 262_142) // 9_999


def _inherit_cpuset(root: Path, path: str) -> None:
    """Give each new cgroup of a path its parent's CPUs and memory nodes: it takes no process without them."""
    folder = root
    for name in path.strip("/").split("/"):
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not read(folder / name / file).strip():
                write(folder / name / file, read(folder / file).strip())
        folder /= name
