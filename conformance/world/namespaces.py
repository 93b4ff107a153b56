"""Fresh namespaces by system calls; Python has functions for them from 3.12 on only."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000  # linux/sched.h
MS_REC, MS_PRIVATE = 0x4000, 1 << 18  # linux/mount.h
NAMED = Path("/run/netns")  # where iproute2 keeps namespaces with names
MNT_DETACH = 2  # sys/mount.h
# What plugins write, as far as it is known: nothing of it may reach the machine, nor come from it
PRIVATE_FOLDERS = ("/run", "/var/lib/cni", "/etc/cni")


def system_call(name: str, *args: object) -> None:
    """Call a function of the C library.

    Raises:
        OSError: it returned something else than 0.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def leave_the_machine() -> None:
    """Give this process's children a process namespace, and itself network and mounts of its own."""
    system_call("unshare", CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET)


def furnish(private: tuple[str, ...] = ()) -> None:
    """Mount /proc, /sys and empty state folders, as the first process of its namespace; lo goes up."""
    system_call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    system_call("mount", b"proc", b"/proc", b"proc", 0, None)
    system_call("mount", b"sysfs", b"/sys", b"sysfs", 0, None)
    for folder in (*PRIVATE_FOLDERS, *private):
        _make_unseen(Path(folder))
        system_call("mount", b"tmpfs", folder.encode(), b"tmpfs", 0, b"mode=755")
    NAMED.mkdir()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _make_unseen(folder: Path) -> None:
    """Make a folder, if it is not there, in this mount namespace alone: in a layer above what there is."""
    if folder.exists():
        return
    there = next(parent for parent in folder.parents if parent.exists())
    system_call("mount", b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755")  # for the layer; nobody sees it there
    for name in ("upper", "work"):
        Path("/run", name).mkdir()
    options = f"lowerdir={there},upperdir=/run/upper,workdir=/run/work"
    with suppress(OSError):  # no overlays, or not on this file system: then the machine gets an empty folder
        system_call("mount", b"overlay", str(there).encode(), b"overlay", 0, options.encode())
    system_call("umount2", b"/run", MNT_DETACH)
    folder.mkdir(parents=True)


@dataclass(frozen=True)
class Netns:
    """A container's network namespace."""

    name: str

    @property
    def path(self) -> str:
        """Return what CNI_NETNS is."""
        return f"{NAMED}/{self.name}"

    def remove(self) -> None:
        """Remove it with all that is in it."""
        subprocess.run(["ip", "netns", "del", self.name], check=True, capture_output=True)


def make_netns(name: str) -> Netns:
    """Make a network namespace with a name; its lo is down, as runtimes hand it over."""
    subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
    return Netns(name)


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Be in a network namespace (a path; "" is where we are) for the body; this thread alone is."""
    if not netns:
        yield
        return
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        there = os.open(netns, os.O_RDONLY)
        try:
            system_call("setns", there, CLONE_NEWNET)
        finally:
            os.close(there)
        yield
    finally:
        system_call("setns", before, CLONE_NEWNET)
        os.close(before)
