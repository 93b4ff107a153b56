"""What a starter is given: descriptors by number, and how each of our programs begins."""

from __future__ import annotations

from errno import EDQUOT, ENOSYS, EPERM

from pod_runner.kernel.program import FIRST_FIXED, Program, Text

# After the starter's own (0 to 4, kernel/starting.py)
SYNC_FD = 5  # a pipe: what is read from it comes when ids are mapped
CGROUP_FD = 6  # the folder of a cgroup of version 2, to be born into
PROCESS_FD = 7  # a pidfd: whose namespaces are entered
USER_FD = 8  # a user namespace, for mounts with its ids
LABEL_FD = SYNC_FD  # of a container, where nobody waits: the file for a label
FIRST_UNKNOWN = 9
UPPER_FD, WORK_FD = FIRST_FIXED + 1, FIRST_FIXED + 2  # of an overlay
LAYER_FD = FIRST_FIXED + 3  # and the following: layers
CLOSE_ALL = 0xFFFFFFFF
KEYCTL_JOIN_SESSION_KEYRING = 1  # linux/keyctl.h
PR_SET_DUMPABLE = 4  # linux/prctl.h


def begin(program: Program, *, is_secret: bool) -> None:
    """Keep nothing of the caller: its descriptors, its keys.

    `is_secret`: processes of the namespaces that it enters may not look into it.
    """
    program.call("close what was inherited", "close_range", FIRST_UNKNOWN, CLOSE_ALL, 0)
    if is_secret:
        program.call("be no one's to trace", "prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    program.call(
        "keyctl new_session", "keyctl", KEYCTL_JOIN_SESSION_KEYRING, Text("podwire"),
        tolerate=(ENOSYS, EDQUOT, EPERM),
    )  # fmt: skip


def lead_session(program: Program) -> None:
    """Begin a session, in the pid namespace where the process will stay; a terminal belongs to one."""
    program.call("setsid", "setsid", tolerate=(EPERM,))
