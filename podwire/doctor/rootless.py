"""Will `podwire lab` work for an ordinary user? Each step is tried, in namespaces that end with the trial."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from podwire.doctor.verdict import Verdict, judge
from podwire.lab.rootless import has_cgroups, has_many_ids, who_forbids

NOBODY = 65534  # whose rights an ordinary user has at least; the overflow id of the kernel
DEADLINE = 20.0  # seconds
NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork")
# Each line is one that a lab takes; what fails says its name and why.
TRIAL = """
try() { said=$({ "$@"; } 2>&1) || echo "$* failed: $said"; }
write() { echo 1 >"$1"; }
try mount --make-rprivate /
try mount -t proc proc /proc
try mount -t sysfs sysfs /sys
try mount -t tmpfs tmpfs /run
mkdir -p /run/upper /run/work
try mount -t overlay overlay -o userxattr,lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
try ip link add trial0 type veth peer name trial1
try ip link add trial2 type bridge
try ip link add trial3 type vxlan id 1 dstport 8472
try write /proc/sys/net/ipv4/ip_forward
try nft add table inet trial
"""
LAB = "podwire lab as an ordinary user"


def look_at_rootless() -> Iterator[Verdict]:
    """Yield whether an ordinary user can have a lab, and what it would lack."""
    problem = _problem()
    advice = who_forbids() or "run the lab as root"
    yield judge("rootless lab", problem, LAB, advice, found="yes", vital=False)
    if problem is None:
        yield _user_ids()
        if os.geteuid() != 0:  # root's own cgroup says nothing of a user's
            yield _cgroups()


def _problem() -> str | None:
    """Try, and return what failed first."""
    if shutil.which("unshare") is None:
        return "no unshare, of util-linux"
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    try:
        done = subprocess.run(
            ["unshare", *NAMESPACES, "sh", "-c", TRIAL], capture_output=True, text=True, timeout=DEADLINE,
            check=False, cwd="/", stdin=subprocess.DEVNULL, **(as_nobody if os.geteuid() == 0 else {}),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"a trial has not ended within {DEADLINE:.0f} s"
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return said[0] if done.returncode or done.stdout.strip() else None


def _user_ids() -> Verdict:
    tools = [tool for tool in ("newuidmap", "newgidmap") if shutil.which(tool) is None]
    problem = f"no {', '.join(tools)}" if tools else None
    if problem is None and os.geteuid() != 0 and not has_many_ids(os.geteuid()):
        problem = "no ranges in /etc/subuid and /etc/subgid"
    advice = "install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
    breaks = f"{LAB}: pods with user ids but 0"
    return judge("rootless lab: ids", problem, breaks, advice, found="yes", vital=False)


def _cgroups() -> Verdict:
    problem = None if has_cgroups() else "this user may make none"
    breaks = f"{LAB}: limits of pods, podwire top pods"
    return judge("rootless lab: cgroups", problem, breaks, "run the lab as root", found="yes", vital=False)
