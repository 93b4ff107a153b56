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
from pod_runner.images.image import HOST, Image
from pod_runner.images.store import ImageStore
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.descriptors import close_all_but
from pod_runner.supervisor.entry import detach, supervise
from pod_runner.supervisor.fetching import is_nodes_own
from pod_runner.supervisor.lines import JsonObject, Lines
from pod_runner.supervisor.order import ORDER, read_order


def serve(lines: Lines) -> None:
    """Fork a supervisor for each request until the agent hangs up, or is killed."""
    with suppress(ConnectionError):  # killed before it heard the answer: whom it asked for goes on
        while (body := lines.receive()) is not None:
            lines.send(_answer(body))


def _answer(body: JsonObject) -> JsonObject:
    try:
        return {"pid": fork_supervisor(Path(str(body["spawn"])))}
    except (OSError, KeyError) as error:
        return {"error": f"no process for a supervisor: {error}"}


def look_at_node(folder: Path) -> Image | None:
    """Return the node's own files as an image, for a pod of which a container is made of them.

    That is 8 ms of looking at /etc, and 2.5 MB of memory that a supervisor would keep. What goes wrong here
    goes wrong in the supervisor again, which says it.
    """
    try:
        order = read_order((folder / ORDER).read_text())
        spec = Pod.model_validate(order.pod).spec
        if any(is_nodes_own(one.image) for one in (*spec.init_containers, *spec.containers)):
            return ImageStore(Path(order.node.images)).ensure(HOST)
    except (OSError, ValueError, TypeError, KeyError, AssertionError, ContainerError):
        return None
    return None


def fork_supervisor(folder: Path) -> int:
    """Fork a supervisor and return its process id; it keeps no descriptor of ours, and outlives us."""
    node_image = look_at_node(folder)
    if (pid := os.fork()) != 0:
        return pid
    try:  # in the child: nothing may return into the caller's loop
        os.setsid()
        close_all_but()
        detach(folder)  # whoever reads the output of who asked for this is not to wait for the pod
        os._exit(supervise(folder, node_image))
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
