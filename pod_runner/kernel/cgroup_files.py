"""What the files of both versions of cgroups have in common: reading, writing, ending processes.

Who may be killed is read from the files, and waited for by pidfd (pidfd_open(2)): nothing polls the clock.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pod_runner.container.spec import ContainerError

DEADLINE = (
    10.0  # seconds until killed processes must have gone: more means that the kernel holds them (a dead NFS)
)
TRIES = 10  # at making a folder
PERIOD = 100_000  # microseconds; the kernel's default of cpu.cfs_period_us and of cpu.max
SMALLEST_QUOTA = 1_000  # microseconds; less is refused (kernel/sched/core.c)


class Usage(NamedTuple):
    """What a cgroup and all below it have used; nanoseconds, bytes; 0 where nobody counts."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    memory_working_set: int = 0  # without page cache that the kernel may drop, as cAdvisor reckons
    pids: int = 0
    io_read_bytes: int = 0
    io_write_bytes: int = 0
    throttled_ns: int = 0


def quota(cores: float) -> int:
    """Return the microseconds of each period that so many cores are."""
    return max(round(cores * PERIOD), SMALLEST_QUOTA)


def write(file: Path, value: str) -> str | None:
    """Write a limit; return None, or one sentence that says why not."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        return f"{file.name}={value} was not applied: {error.strerror}"
    try:
        os.write(descriptor, value.encode())
    except OSError as error:
        return f"{file.name}={value} was not applied: {error.strerror}"
    finally:
        os.close(descriptor)
    return None


def read(file: Path) -> str:
    """Return a file's text, "" where the kernel does not have it, or the cgroup has gone."""
    try:
        return file.read_text()
    except OSError:  # ENOENT, ENODEV, EOPNOTSUPP: nobody counts that here
        return ""


def read_number(file: Path) -> int:
    """Return a file's number, 0 for none."""
    text = read(file).strip()
    return int(text) if text.isdecimal() else 0


def read_keyed(file: Path) -> dict[str, int]:
    """Return the numbers of a flat keyed file (cgroups(7): memory.stat, cpu.stat)."""
    pairs = (line.split() for line in read(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def make_folder(folder: Path) -> None:
    """Make a cgroup. Raises ContainerError."""
    for left in reversed(range(TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # somebody removes the empty cgroup above just now
            if not left:
                raise ContainerError(f"make the cgroup {folder}: {error.strerror}") from error
        except OSError as error:
            raise ContainerError(f"make the cgroup {folder}: {error.strerror}") from error
        else:
            return


def tree(folder: Path) -> Iterator[Path]:
    """List a cgroup and all below it, the deepest first."""
    try:
        below = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:  # it has gone
        return
    for one in below:
        yield from tree(Path(one))
    yield folder


def pids_of(folder: Path) -> list[int]:
    """List the processes of a cgroup and of those below. 0 is of another pid namespace: left out."""
    lines = (line for one in tree(folder) for line in read(one / "cgroup.procs").split())
    return [int(line) for line in lines if line != "0"]


def end_processes(folder: Path) -> None:
    """Kill what is in a cgroup, and wait until it has ended. What is born meanwhile is next.

    Raises:
        ContainerError: some did not end in time.
    """
    deadline = time.monotonic() + DEADLINE
    while pids := pids_of(folder):
        descriptors = [one for pid in pids if (one := _kill(pid)) is not None]
        try:
            _wait_for_ends(descriptors, deadline)
        finally:
            for one in descriptors:
                os.close(one)
        if time.monotonic() > deadline:
            raise ContainerError(f"processes of the cgroup {folder} do not end: {pids_of(folder)}")


def kill_all(pids: list[int]) -> None:
    """Send SIGKILL to processes; those that have ended get none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove_folder(folder: Path) -> None:
    """Remove a cgroup and those below. Raises ContainerError where a process is left."""
    for one in tree(folder):
        try:
            one.rmdir()
        except FileNotFoundError:  # somebody was faster
            continue
        except OSError as error:
            raise ContainerError(f"remove the cgroup {one}: {error.strerror}: {pids_of(one)}") from error


def _kill(pid: int) -> int | None:
    """Kill a process; return a descriptor that becomes readable when it has ended, None if it has already."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # ESRCH
        return None
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:  # ESRCH
        os.close(descriptor)
        return None
    return descriptor


def _wait_for_ends(descriptors: list[int], deadline: float) -> None:
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    waiting = len(descriptors)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            waiting -= 1
