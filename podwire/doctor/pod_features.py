"""What the runner needs to make pods: cgroups, namespaces, seccomp. Each is tried, and nothing is left."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from podwire.doctor.verdict import State, Verdict, judge

CONTROLLERS = {
    "cpu": "cpu limits and weights", "memory": "memory limits, OOM kills told", "pids": "limits of processes",
    "cpuset": "pinning to CPUs", "io": "shares of disks",
}  # fmt: skip
OLD_NAMES = {"io": "blkio"}  # of cgroup v1
SECCOMP = "libseccomp.so.2"
MOUNTS = Path("/proc/self/mountinfo")
CAP_SYS_RESOURCE = 24  # linux/capability.h
CLONE_NEWUSER = 0x10000000  # linux/sched.h


def look_at_pods() -> Iterator[Verdict]:
    """Yield a verdict on each."""
    yield from judge_controllers(MOUNTS.read_text())
    yield _user_namespaces()
    yield _seccomp()
    yield judge_resource_right(Path("/proc/self/status").read_text())


def judge_controllers(mounts: str) -> Iterator[Verdict]:
    """Say which controllers of cgroups can be used; `mounts` is mountinfo's text (proc(5))."""
    found = _controllers(mounts)
    for name, breaks in CONTROLLERS.items():
        where = found.get(name) or found.get(OLD_NAMES.get(name, ""))
        problem = None if where else "no hierarchy that may be written has it"
        advice = "run as root on a host with cgroups, or have systemd delegate it (Delegate=yes)"
        yield judge(f"cgroup {name}", problem, breaks, advice, found=str(where), vital=False)


def judge_resource_right(status: str) -> Verdict:
    """Say whether the kernel lets us protect processes from being chosen when memory is short."""
    line = next((one for one in status.splitlines() if one.startswith("CapEff:")), "CapEff: 0")
    has = int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1
    breaks = "oom_score_adj of pods that ask for memory; nothing else"
    if has:
        return Verdict("CAP_SYS_RESOURCE", State.FINE, "yes", breaks)
    return Verdict("CAP_SYS_RESOURCE", State.LACKING, "no", breaks, "nothing; the pods run")


def _controllers(mounts: str) -> dict[str, Path]:
    """Return the folder of each controller's hierarchy that may be written; version 1 comes first."""
    found: dict[str, Path] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        folder, kind, options = Path(before.split()[4]), after.split()[0], after.split()[-1]
        if kind == "cgroup" and os.access(folder, os.W_OK):
            found |= dict.fromkeys(options.split(","), folder)
        elif kind == "cgroup2" and os.access(folder, os.W_OK):
            names = (folder / "cgroup.controllers").read_text().split()
            found = dict.fromkeys(names, folder) | found
    return found


def _user_namespaces() -> Verdict:
    """Make one in a child that ends at once."""
    breaks = "pods with user namespaces of their own (hostUsers: false), labs of ordinary users"
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else ctypes.get_errno() or 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    advice = "sysctl -w user/max_user_namespaces=15000; on Debian kernel/unprivileged_userns_clone=1 too"
    problem = None if code == 0 else f"{os.strerror(code)} ({errno.errorcode.get(code, code)})"
    return judge("user namespaces, made", problem, breaks, advice, found="yes", vital=False)


def _seccomp() -> Verdict:
    breaks = "pods with a seccomp profile: all but those that say Unconfined"
    try:
        ctypes.CDLL(SECCOMP)
    except OSError:
        advice = "apt-get install libseccomp2"
        return Verdict("libseccomp", State.LACKING, f"no {SECCOMP}", breaks, advice)
    return Verdict("libseccomp", State.FINE, SECCOMP, breaks)
