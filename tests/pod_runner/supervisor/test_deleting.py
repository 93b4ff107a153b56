"""A pod's end: what may overlap does, nothing is done twice, and who is told of it finds nobody at work."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.removing import remove_pod
from pod_runner.supervisor import client
from pod_runner.supervisor.lock import is_held
from pod_runner.supervisor.order import SOCKET
from tests.pod_runner.supervisor.recording_plugin import calls, install
from tests.pod_runner.supervisor.world import (
    World,
    condition,
    container,
    is_gone,
    kill,
    record,
    until,
    wait_status,
)


def running(world: World) -> tuple[Path, int]:
    """Return the folder of a pod with a network that runs, and its keeper."""
    folder = world.place({"containers": [container("main")]}, annotations={})
    keeper = world.supervise(folder)
    wait_status(folder, lambda status: condition(status, "Ready"))
    return folder, keeper


def remove(world: World, folder: Path) -> None:
    """Take away what is left of a pod, as the agent does when it has ended."""
    assert remove_pod(folder.name, world.node, Cgroups.detect()) == []
    assert not folder.exists() and world.cgroup(folder) == []
    world.folders.remove(folder)


@contextmanager
def held_up(pid: int) -> Iterator[None]:
    """Keep a container's process 1 from ending.

    It goes when everybody in its pid namespace was reaped (pid_namespaces(7)), and the parent of one of them,
    outside, stands still.
    """
    argv = ["nsenter", f"--pid=/proc/{pid}/ns/pid", "sleep", "1000"]
    with subprocess.Popen(argv) as parent:
        try:
            until(lambda: b"sleep" in _only_child(parent.pid))
            parent.send_signal(signal.SIGSTOP)
            yield
        finally:
            parent.send_signal(signal.SIGCONT)


def _only_child(pid: int) -> bytes:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Path(f"/proc/{children[0]}/comm").read_bytes() if children else b""


def test_the_network_is_left_while_killed_containers_end(world: World) -> None:
    plugins = install(world)
    folder, _ = running(world)
    pid = record(folder).containers["main"].pid
    stopping = Thread(target=client.stop, args=(folder / SOCKET, 0))
    with held_up(pid):
        stopping.start()
        until(lambda: calls(plugins)[-1] == "DEL")
        assert not is_gone(pid) and not record(folder).is_ended
    stopping.join()
    assert is_gone(pid) and record(folder).is_ended
    assert calls(plugins) == ["ADD", "DEL"]


def test_containers_that_may_still_work_keep_their_network(world: World) -> None:
    plugins = install(world)
    folder, _ = running(world)
    pid = record(folder).containers["main"].pid
    stopping = Thread(target=client.stop, args=(folder / SOCKET, 1))  # sleep(1) as process 1 heeds no SIGTERM
    stopping.start()
    until(lambda: record(folder).containers["main"].is_stopping)
    assert calls(plugins) == ["ADD"] and not is_gone(pid)
    stopping.join()
    assert calls(plugins) == ["ADD", "DEL"]


def test_a_network_that_was_left_is_not_left_again(world: World) -> None:
    plugins = install(world)
    folder, _ = running(world)
    client.stop(folder / SOCKET, 0)
    remove(world, folder)
    assert calls(plugins) == ["ADD", "DEL"]


def test_a_network_that_nobody_saw_left_is_left_by_who_removes_the_pod(world: World) -> None:
    plugins = install(world)
    folder, keeper = running(world)
    processes = [record(folder).pause, record(folder).containers["main"].pid]
    kill(keeper)
    until(lambda: not is_held(folder))
    remove(world, folder)
    assert calls(plugins) == ["ADD", "DEL"]
    until(lambda: all(is_gone(pid) for pid in processes))


def test_the_folder_is_free_before_the_end_is_told(world: World) -> None:
    install(world)
    folder, keeper = running(world)
    os.kill(keeper, signal.SIGSTOP)  # it cannot let go of anything
    try:
        client.stop(folder / SOCKET, 0)
        assert not is_held(folder) and not (folder / SOCKET).exists()
        (folder / SOCKET).touch()  # as another supervisor's
    finally:
        os.kill(keeper, signal.SIGCONT)
    until(lambda: is_gone(keeper))
    assert (folder / SOCKET).exists(), "it is no longer the first one's"


def test_a_frozen_container_ends(world: World) -> None:
    folder = world.run()
    wait_status(folder, lambda status: condition(status, "Ready"))
    for path in world.cgroup(folder):
        for name, value in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            if (file := path / "main" / name).exists():
                file.write_text(value)
    client.stop(folder / SOCKET, 0)
    assert record(folder).is_ended and world.cgroup(folder) == []
