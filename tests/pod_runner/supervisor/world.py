"""Pods with real supervisors, all below one folder and one cgroup; nothing of them may be left."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pod_runner.supervisor import client
from pod_runner.supervisor.forking import fork_supervisor
from pod_runner.supervisor.lock import is_held
from pod_runner.supervisor.order import SOCKET, NodePlaces, PodOrder
from pod_runner.supervisor.state import PodRecord, read_state

Json = dict[str, Any]
IN_TIME = 60.0  # seconds; a busy machine is no error
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
GROUPS = Path("/sys/fs/cgroup")
SLEEP = ["/bin/sleep", "1000"]


class World:
    """A node without an agent; `prepare` is to be called once before."""

    def __init__(self, base: Path, images: Path) -> None:
        self.parent = f"/podwire-test-{os.getpid()}"
        self.node = NodePlaces(
            name="node1",
            address="192.0.2.1",
            pods=f"{base}/pods",
            images=str(images),
            volumes=f"{base}/volumes",
            logs=f"{base}/logs",
            cgroup_parent=self.parent,
            cni_conf_dir=f"{base}/net.d",
            cni_path=(f"{base}/bin",),
            cni_cache=f"{base}/cni",
            cluster_dns=("10.96.0.10",),
            back_off=0.05,
            longest_back_off=0.2,
        )
        self.folders: list[Path] = []
        self.supervisors: list[int] = []

    def place(self, spec: Json, *, annotations: Json | None = None, **order: Any) -> Path:
        """Write a pod's order and return its folder. Without annotations it has no network."""
        number = len(self.folders)
        uid = f"{number:08x}-0000-4000-8000-{os.getpid():012x}"
        metadata = {
            "name": f"pod{number}", "namespace": "default", "uid": uid, "labels": {"app": "web"},
            "annotations": {"podwire.io/network": "none"} if annotations is None else annotations,
        }  # fmt: skip
        body: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        made = PodOrder(body, replace(self.node, **order.pop("node", {})), **order)
        made.folder.mkdir(parents=True, mode=0o700)
        (made.folder / "order.json").write_text(made.to_json())
        self.folders.append(made.folder)
        return made.folder

    def supervise(self, folder: Path) -> int:
        """Start a supervisor and return its pid; it is a child of ours (we are a subreaper)."""
        pid = fork_supervisor(folder)
        self.supervisors.append(pid)
        return pid

    def run(self, *command: str, **more: Any) -> Path:
        """Start a pod of one container, `main`, and return its folder; `more`: members of the container."""
        pods = ("restartPolicy", "terminationGracePeriodSeconds")
        pod: Json = {key: more.pop(key) for key in pods if key in more}
        order = {key: more.pop(key) for key in ("node", "config_maps") if key in more}
        folder = self.place({"containers": [container("main", *command, **more)], **pod}, **order)
        self.supervise(folder)
        return folder

    def log(self, folder: Path, name: str = "main", run: int = 0) -> list[str]:
        """Return the lines that a container has written."""
        metadata = json.loads((folder / "order.json").read_text())["pod"]["metadata"]
        path = Path(self.node.logs, f"default_{metadata['name']}_{metadata['uid']}", name, f"{run}.log")
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # one may just be being written
        return [line.split(" ", 3)[3] for line in whole.splitlines()]

    def cgroup(self, folder: Path) -> list[Path]:
        """Return the folders of a pod's cgroup that are there."""
        name = f"{self.parent}/pod{folder.name}".lstrip("/")
        return [path for path in (hierarchy / name for hierarchy in GROUPS.iterdir()) if path.exists()]

    def close(self) -> None:
        """End all pods, and require that nothing of them is left."""
        for folder in self.folders:
            self.end(folder)
            assert self.cgroup(folder) == []
        self.wait_gone()
        for hierarchy in GROUPS.iterdir():
            if (path := hierarchy / self.parent.lstrip("/")).exists():
                path.rmdir()

    def end(self, folder: Path) -> None:
        """Stop a pod at once, by a new supervisor if its own was killed, and wait for that."""
        if not is_held(folder) and not record(folder).is_ended and record(folder).started_at:
            self.supervise(folder)
            until(lambda: is_held(folder))
        until(lambda: answers(folder) or not is_held(folder))
        with suppress(client.ControlError):  # it has ended by itself
            client.stop(folder / SOCKET, 0)
        until(lambda: not is_held(folder))
        reap()

    def wait_gone(self) -> None:
        """Wait until every supervisor's process has ended."""
        until(lambda: all(is_gone(pid) for pid in self.supervisors))
        reap()


def answers(folder: Path) -> bool:
    """Tell whether a supervisor answers."""
    try:
        return bool(client.status(folder / SOCKET))
    except (client.ControlError, FileNotFoundError):  # not yet
        return False


def container(name: str, *command: str, **more: Any) -> Json:
    """Return a container of the node's own files."""
    return {"name": name, "image": "host", "command": list(command or SLEEP), **more}


def shell(script: str) -> list[str]:
    """Return a command."""
    return ["/bin/sh", "-c", script]


def record(folder: Path) -> PodRecord:
    """Return what the supervisor has written down."""
    return read_state(folder)


def status_of(folder: Path) -> Json:
    """Return the pod's status as it is in the file, {} if there is none."""
    path = folder / "status.json"
    found: Json = json.loads(path.read_text()) if path.exists() else {}
    return found


def main_of(status: Json) -> Json:
    """Return the status of the first container."""
    first: Json = (status.get("containerStatuses") or [{}])[0]
    return first


def condition(status: Json, kind: str) -> bool:
    """Tell whether a condition holds."""
    return any(one["type"] == kind and one["status"] == "True" for one in status.get("conditions", ()))


def until(holds: Callable[[], bool], timeout: float = IN_TIME) -> None:
    """Wait until something holds that nobody tells of."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.003)  # nobody tells: the file is looked at again


def wait_status(folder: Path, holds: Callable[[Json], bool]) -> Json:
    """Wait for a status for which something holds, and return it."""
    found: Json = {}

    def look() -> bool:
        nonlocal found
        found = status_of(folder)
        return bool(found) and holds(found)

    try:
        until(look)
    except AssertionError as error:
        said = folder / "supervisor.log"
        error.add_note(json.dumps(found, indent=1) + (said.read_text() if said.exists() else ""))
        raise
    return found


def wait_phase(folder: Path, phase: str) -> Json:
    """Wait for a phase and return the status."""
    return wait_status(folder, lambda status: status["phase"] == phase)


def wait_ended(folder: Path) -> Json:
    """Wait until a pod has come to its end by itself, and return its last status."""
    until(lambda: record(folder).is_ended and not is_held(folder))
    reap()
    return status_of(folder)


def kill(pid: int) -> None:
    """Kill a process and wait until it has gone."""
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    until(lambda: is_gone(pid))
    os.close(pidfd)
    reap()


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def reap() -> None:
    """Reap what was inherited."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:  # no children
        return


@contextmanager
def reaping() -> Iterator[None]:
    """Inherit supervisors whose parents end, as process 1 does."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
