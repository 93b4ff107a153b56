"""A program of system calls as a person would type it: the calls are followed, descriptor by descriptor.

Nothing is taken from what the calls are said to mean. A descriptor is known by the path that it was opened
by, a detached copy of mounts by where it was copied from; so `mount(2)` on `/proc/self/fd/850` is said of
$ROOT/proc. What the kernel may refuse is taken to go well. Pure.
"""

from __future__ import annotations

import shlex
import struct
from collections.abc import Callable, Mapping

from pod_runner.kernel import listing_mounts as mounts
from pod_runner.kernel import namespaces
from pod_runner.kernel.listing_state import Listing, number, packed, text
from pod_runner.kernel.program import Call, Pointers, Pointing, Program, Result
from pod_runner.kernel.seccomp import FILTER_SIZE
from pod_runner.kernel.steps import Step, echo

SHELL = "bash"  # it reads no further than the line it is at: the shell that it becomes reads on
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38  # linux/prctl.h
SIOCSIFFLAGS = 0x8914  # linux/sockios.h
FILES = {"/sys/fs/cgroup": "cgroup", "/proc/sys": "sysctl", "/proc/self/oom": "oom"}
CLONE_ARGUMENTS, CGROUP = struct.Struct("=11Q"), 10  # struct clone_args, and which of it is a cgroup


def commands(program: Program, known: Mapping[int, str]) -> tuple[Step, ...]:
    """Return what a shell does instead of a program, and remarks where it cannot.

    `known`: the descriptors that the program is given: the path of a cgroup, whose namespaces.
    """
    listing, calls, at = Listing(known, stays=program.stays), program.calls, 0
    while at < len(calls) and not listing.is_over:
        one = calls[at]
        is_forked = at + 1 < len(calls) and calls[at + 1].name == "clone"
        if one.name == "unshare":
            options = namespaces.options(number(one.arguments[0])) + (" --fork" if is_forked else "")
            listing.say(f"exec unshare {options} {SHELL}", "unshare")
        elif one.name in FOLLOW:
            FOLLOW[one.name](listing, one)
        # What is left out when a call succeeds is its replacement; but not what is made where nothing was
        at += 1 + (0 if one.name == "openat2" else one.on_success)
        at += number(one.arguments[0]) if one.name == "skip" else 0
    if program.stays:
        listing.is_pivoted = False  # a shell that goes on has not done that
        listing.say(shlex.join(["exec", *listing.becoming.words(), "sleep", "infinity"]), "pause")
    return tuple(listing.steps)


def _clone(listing: Listing, one: Call) -> None:
    if isinstance(one.arguments[0], bytes):
        folder = listing.known[CLONE_ARGUMENTS.unpack(one.arguments[0])[CGROUP]]
        listing.say(echo("0", f"{folder}/cgroup.procs"), "cgroup")


def _setns(listing: Listing, one: Call) -> None:
    whose, kinds = one.arguments[0], number(one.arguments[1])
    target = listing.place(whose).path
    if kinds == namespaces.MOUNT:  # there, and back again
        listing.abroad = "" if isinstance(whose, Result) else target
        return
    listing.say(f"exec nsenter --target {target} {namespaces.options(kinds)} {SHELL}", "nsenter")


def _write(listing: Listing, one: Call) -> None:
    target = listing.place(one.arguments[0])
    if not target.is_written:
        listing.remark(one.meaning, "ids" if one.arguments[0] == 3 else "who")
        return
    why = next((why for start, why in FILES.items() if target.path.startswith(start)), "who")
    refused = " || true" if why == "oom" else ""  # to lower it takes CAP_SYS_RESOURCE
    listing.say(echo(packed(one.arguments[1]).decode(), target.path) + refused, why)


def _hostname(listing: Listing, one: Call) -> None:
    listing.say(f"hostname {shlex.quote(packed(one.arguments[0]).decode())}", "hostname")


def _ioctl(listing: Listing, one: Call) -> None:
    if one.arguments[1] == SIOCSIFFLAGS:
        listing.say("ip link set lo up", "lo")
    else:
        listing.remark("ioctl(0, TIOCSCTTY): the terminal is this session's", "who")


def _prctl(listing: Listing, one: Call) -> None:
    if one.arguments[0] == PR_CAPBSET_DROP:
        listing.becoming.dropped.add(number(one.arguments[1]))
    elif one.arguments[0] == PR_SET_NO_NEW_PRIVS:
        listing.becoming.has_no_new_privileges = True


def _groups(listing: Listing, one: Call) -> None:
    count = number(one.arguments[0])
    listing.becoming.groups = struct.unpack(f"={count}I", packed(one.arguments[1])) if count else ()


def _gid(listing: Listing, one: Call) -> None:
    listing.becoming.gid = number(one.arguments[0])


def _uid(listing: Listing, one: Call) -> None:
    listing.becoming.uid = number(one.arguments[0])


def _seccomp(listing: Listing, one: Call) -> None:
    loaded = one.arguments[2]
    assert isinstance(loaded, Pointing)
    listing.remark(f"seccomp(2): a filter of {len(loaded.target) // FILTER_SIZE} instructions", "who")


def _umask(listing: Listing, one: Call) -> None:
    mask = number(one.arguments[0])
    listing.say(f"umask {mask:03o}", "umask" if mask else "modes")


def _execute(listing: Listing, one: Call) -> None:
    _, argv, env = one.arguments
    assert isinstance(argv, Pointers) and isinstance(env, Pointers)
    words = ["env", "-i", *env.texts, *listing.becoming.words(), *argv.texts]
    listing.say(f"exec {shlex.join(words)}", "who")
    listing.is_over = True


def _keyring(listing: Listing, one: Call) -> None:
    listing.remark(f"keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a new keyring, {text(one.arguments[1])}", "keys")


FOLLOW: dict[str, Callable[[Listing, Call], None]] = {
    "openat": mounts.open_file, "openat2": mounts.open_file, "dup3": mounts.duplicate,
    "mkdirat": mounts.make_folder, "mknodat": mounts.make_node, "symlinkat": mounts.link,
    "mount": mounts.mount, "open_tree": mounts.copy_tree, "mount_setattr": mounts.set_attributes,
    "move_mount": mounts.attach_tree, "chdir": mounts.enter_folder, "fchdir": mounts.enter_folder,
    "pivot_root": mounts.pivot, "umount2": mounts.unmount,
    "clone": _clone, "setns": _setns, "write": _write, "sethostname": _hostname, "ioctl": _ioctl,
    "prctl": _prctl, "setgroups": _groups, "setresgid": _gid, "setresuid": _uid, "seccomp": _seccomp,
    "umask": _umask, "keyctl": _keyring, "execve": _execute,
}  # fmt: skip
