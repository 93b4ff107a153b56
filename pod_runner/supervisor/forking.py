"""The process that forks supervisors: what it has ready for all, and how one becomes a process.

Nothing of this is imported by the agent, which talks to the process through `spawner`.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

from pod_runner.container.identity import identity
from pod_runner.container.spec import ContainerError, Security
from pod_runner.supervisor.descriptors import close_all_but
from pod_runner.supervisor.entry import detach, supervise
from pod_runner.supervisor.reaping import bare_fork
from pod_runner.supervisor.spawner import LONGEST_MESSAGE


def serve(connection: int) -> None:
    """Fork a supervisor for each request, a folder, until the agent hangs up.

    What this loop writes into between two forks each supervisor has a copy of, so it does very little.
    """
    with suppress(ConnectionError):  # killed before it heard the answer: whom it asked for goes on
        while name := os.read(connection, LONGEST_MESSAGE):
            os.write(connection, _answer(name))


def _answer(name: bytes) -> bytes:
    try:
        return b"%d" % fork_supervisor(name)
    except OSError as error:
        return b"no process for a supervisor: " + str(error).encode()


def fork_supervisor(folder: bytes | Path) -> int:
    """Fork a supervisor and return its process id; it keeps no descriptor of ours, and outlives us."""
    if (pid := bare_fork()) != 0:
        return pid
    try:  # in the child: nothing may return into the caller's loop
        os.setsid()
        close_all_but()
        name = os.fsdecode(folder)
        detach(name)  # whoever reads the output of who asked for this is not to wait for the pod
        os._exit(supervise(name))
    finally:
        os._exit(1)


def prepare() -> None:
    """Have ready what all supervisors share, and set it aside from the garbage collector's writes.

    The default seccomp filter is a third of a pod's start, and 1 MB that libseccomp leaves.
    """
    with suppress(ContainerError):  # no libseccomp: each pod's status says it
        identity(Security(), is_user=False, notes=[])
    gc.collect()
    gc.freeze()  # a collection in a child would write into every shared page
    gc.disable()
