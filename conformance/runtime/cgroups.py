"""A place for container managers in the machine's cgroups, and what grew there taken back.

A case's processes are moved into a cgroup of their own in every hierarchy before they get a cgroup namespace,
so that what a runtime makes below its root is below that one (cgroup_namespaces(7)).
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from conformance.world.namespaces import furnish, leave_the_machine, system_call

ROOT = Path("/sys/fs/cgroup")
CLONE_NEWCGROUP = 0x02000000  # linux/sched.h
EMPTY_WITHIN = 10  # seconds that killed processes may take to leave
LOOK_AGAIN = 0.01  # seconds
CPUSET = ("cpuset.cpus", "cpuset.mems")  # empty in a new v1 cgroup, which then takes no process


class Home:
    """A cgroup in every hierarchy of the machine; a context manager that removes them with all below."""

    def __init__(self) -> None:
        self._name = f"conformance-{os.getpid()}-{secrets.token_hex(4)}"
        self._mounts = [_parsed(line) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        self._mounts = [one for one in self._mounts if one[1].startswith("cgroup")]

    def __enter__(self) -> Home:
        for point, _, _ in self._mounts:
            folder = Path(point, self._name)
            folder.mkdir()
            for name in CPUSET:
                own = folder / name
                if own.exists() and Path(point, name).exists() and not own.read_text().strip():
                    own.write_text(Path(point, name).read_text())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for point, _, _ in self._mounts:
            _remove(Path(point, self._name))

    def leave(self) -> None:
        """Enter the cgroups, and leave the machine with a cgroup namespace as well."""
        for point, _, _ in self._mounts:
            Path(point, self._name, "cgroup.procs").write_text(str(os.getpid()))
        system_call("unshare", CLONE_NEWCGROUP)
        leave_the_machine()

    def show(self, private: tuple[str, ...]) -> None:
        """Furnish the world, with the hierarchies where they were; they begin at this home there."""
        furnish(private)
        if any(kind == "cgroup" for _, kind, _ in self._mounts):
            system_call("mount", b"tmpfs", str(ROOT).encode(), b"tmpfs", 0, b"mode=755")
        for point, kind, options in self._mounts:
            Path(point).mkdir(exist_ok=True)
            data = options.encode() if kind == "cgroup" else None
            system_call("mount", kind.encode(), point.encode(), kind.encode(), 0, data)


def _parsed(line: str) -> tuple[str, str, str]:
    """Return mount point, kind of file system, and its options, from a line of mountinfo (proc(5))."""
    place, _, file_system = line.partition(" - ")
    kind, _, options = file_system.split(" ", 2)
    return place.split(" ")[4], kind, ",".join(one for one in options.split(",") if one not in ("rw", "ro"))


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + EMPTY_WITHIN
    below = [path for path in folder.rglob("*") if path.is_dir()]
    for path in (*sorted(below, key=lambda path: -len(path.parts)), folder):
        while time.monotonic() < deadline:
            with suppress(OSError):  # EBUSY: its processes are still on their way out
                path.rmdir()
                break
            time.sleep(LOOK_AGAIN)  # the kernel tells nobody when a cgroup can be removed
