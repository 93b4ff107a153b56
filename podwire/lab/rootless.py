"""Labs of an ordinary user: everything happens in a user namespace, in which that user is root.

A command steps into the namespace of the lab it is about, or `up` into a new one, before it does anything
else, and goes on as root's does: all that a lab is made of belongs to that namespace (user_namespaces(7)).
Nothing outside can be touched, because the kernel grants nothing there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwuid

from cni_spec.config import validate
from linuxnet.errors import KernelError
from linuxnet.joining import NETWORK, USER, join, leave
from podwire.lab.blueprint import Blueprint
from podwire.lab.errors import LabError
from podwire.lab.finding import find
from podwire.lab.folder import LabFolder
from podwire.lab.places import OUTER_USER, is_rootless

MAPPERS = (("newgidmap", "/etc/subgid"), ("newuidmap", "/etc/subuid"))  # set-uid programs, of uidmap
# Who may forbid it, and the value that does
FORBIDDING = (
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,`",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Ids that a user may give out, as a line of /etc/subuid (subuid(5)) says."""

    first: int
    count: int


def open_folder(name: str) -> LabFolder:
    """Return the folder of a lab that need not be there; step into its user namespace if it is a user's.

    Raises:
        CniError: that is no name of a lab.
    """
    checked = validate(Blueprint, {"name": name}).name
    if is_rootless() and (first := find(checked).lab):
        _become_root(lambda: join(first, USER))
    return LabFolder(checked)


def step_into_new() -> None:
    """Where an ordinary user is to make a lab: step into a new user namespace, as its root.

    Raises:
        LabError: this machine forbids it; the details say which setting does.
    """
    if os.geteuid() != 0:
        _become_root(_make)


def missing_here() -> Iterator[str]:
    """Yield what a lab of this user lacks, as sentences; nothing for root's."""
    if not is_rootless():
        return
    if len(Path("/proc/self/uid_map").read_text().splitlines()) < 2:
        yield (
            "pods have one user id, 0, which is this user: for others, install uidmap (newuidmap, newgidmap) "
            "and give this user ranges in /etc/subuid and /etc/subgid"
        )
    if not has_cgroups():
        yield "this user may make no cgroups: pods have no limits, and what they use is not counted"


def has_cgroups() -> bool:
    """Tell whether pods can have cgroups: whether this user may write where the kernel shows the first ones.

    One that systemd delegates lies further down, and is not used: who joins a lab later is not in it.
    """
    from pod_runner.kernel.cgroups import Cgroups  # where a lab begins

    return Cgroups.detect().version is not None


def who_forbids() -> str:
    """Return what forbids ordinary users to make user namespaces, with what allows it; "": nothing known."""
    for path, value, cure in FORBIDDING:
        with suppress(OSError):  # this kernel has no such setting
            if Path(path).read_text().strip() == value:
                return f"{path} is {value}; as root: {cure}"
    return ""


def has_many_ids(user: int) -> bool:
    """Tell whether a user may give ids out, by what is written down."""
    return all(ranges_of(_text(path), user) for _, path in MAPPERS)


def ranges_of(text: str, user: int) -> list[Range]:
    """Return a user's lines of /etc/subuid or /etc/subgid; those that are none are passed over."""
    names = {str(user)}
    with suppress(KeyError):  # a number without an account
        names.add(getpwuid(user).pw_name)
    parts = [line.strip().split(":") for line in text.splitlines()]
    return [
        Range(int(one[1]), int(one[2])) for one in parts
        if len(one) == 3 and one[0] in names and one[1].isdigit() and one[2].isdigit()
    ]  # fmt: skip


def _become_root(act: Callable[[], None]) -> None:
    """Do what leads into a user namespace, and remember who we were."""
    user = os.geteuid()
    try:
        act()
        leave(NETWORK)  # who has looked into a node's cannot step back into the machine's
    except (KernelError, OSError) as error:
        said = who_forbids() or "run it as root"
        raise LabError(f"a lab of an ordinary user takes a user namespace: {error}", said) from error
    os.environ[OUTER_USER] = str(user)


def _make() -> None:
    """Enter a new user namespace; a child that stays outside maps its ids: only there one may map many."""
    user, group = os.geteuid(), os.getegid()
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(writing)
        is_made = os.read(reading, 1) == b"."
        os._exit(0 if is_made and _map_many(parent, user, group) else 1)
    os.close(reading)
    try:
        leave(USER)
        os.write(writing, b".")
    finally:
        os.close(writing)
        _, status = os.waitpid(child, 0)
    if status:
        _map_one(user, group)


def _map_many(pid: int, user: int, group: int) -> bool:
    """Map us to root and our ranges to ids from 1 on, by the set-uid programs; tell whether that was done."""
    for (tool, path), own in zip(MAPPERS, (group, user), strict=True):
        program = shutil.which(tool)
        ranges = ranges_of(_text(path), user)
        if program is None or not ranges:
            return False
        words, inside = ["0", str(own), "1"], 1
        for one in ranges:
            words += [str(inside), str(one.first), str(one.count)]
            inside += one.count
        done = subprocess.run([program, str(pid), *words], capture_output=True, check=False)
        if done.returncode:
            return False
    return True


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # nobody has ranges here
        return ""


def _map_one(user: int, group: int) -> None:
    """Map us to root and nobody else, which takes no privilege once groups cannot be dropped any more."""
    own = Path("/proc/self")
    maps = ((own / "gid_map", group), (own / "uid_map", user))
    if not (own / "gid_map").read_text():
        (own / "setgroups").write_text("deny")
    for path, number in maps:
        if not path.read_text():  # newgidmap may have been there, and newuidmap not
            path.write_text(f"0 {number} 1\n")
