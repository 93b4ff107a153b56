"""Everything that can be killed is killed: the pod goes on, or is made anew, and nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.supervisor import client
from pod_runner.supervisor.lock import is_held, take
from pod_runner.supervisor.order import SOCKET
from pod_runner.supervisor.spawner import Spawner
from tests.pod_runner.supervisor.world import (
    World,
    answers,
    condition,
    container,
    is_gone,
    kill,
    main_of,
    reap,
    record,
    shell,
    status_of,
    until,
    wait_phase,
    wait_status,
)

COUNTING = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"
FOREVER = "while :; do sleep 1000; done"


def start(world: World, folder: Path) -> int:
    """Supervise a folder until its container runs; return the supervisor's pid."""
    supervisor = world.supervise(folder)
    until(lambda: answers(folder))
    wait_status(folder, lambda status: condition(status, "Ready"))
    return supervisor


def kill_supervisor(folder: Path, pid: int) -> None:
    """Kill a supervisor and wait until nothing of it is left: its worker dies with it, a moment later."""
    kill(pid)
    until(lambda: not is_held(folder))


def pid_of(folder: Path) -> int:
    """Return the pid of the first container's process 1."""
    return record(folder).containers["main"].pid


def test_a_killed_supervisor_is_followed_by_one_that_goes_on(world: World) -> None:
    folder = world.place({"containers": [container("main", *shell(COUNTING))]})
    supervisor = start(world, folder)
    until(lambda: len(world.log(folder)) > 3)
    before, pause = pid_of(folder), record(folder).pause
    kill_supervisor(folder, supervisor)
    said = len(world.log(folder))
    start(world, folder)
    until(lambda: len(world.log(folder)) > said + 3)
    assert (pid_of(folder), record(folder).pause) == (before, pause), "nothing was restarted"
    assert main_of(status_of(folder))["restartCount"] == 0
    lines = world.log(folder)
    assert lines == [str(one) for one in range(1, len(lines) + 1)], "not a line is missing"


def test_commands_run_in_an_adopted_container(world: World) -> None:
    folder = world.place({"containers": [container("main", env=[{"name": "COLOUR", "value": "red"}])]})
    kill_supervisor(folder, start(world, folder))
    start(world, folder)
    reader, writer = os.pipe()
    with Path(os.devnull).open() as null:
        run = client.execute(folder / SOCKET, "main", shell("echo $COLOUR"), [null.fileno(), writer, writer])
    os.close(writer)
    assert run.wait() == 0
    run.close()
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "red\n"


def test_a_container_that_ended_unseen_is_restarted(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    supervisor, before = start(world, folder), 0
    before = pid_of(folder)
    kill_supervisor(folder, supervisor)
    kill(before)
    world.supervise(folder)
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    ended = main_of(status)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (255, "Unknown")


def test_an_adopted_container_that_is_killed_is_restarted(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    kill_supervisor(folder, start(world, folder))
    start(world, folder)
    kill(pid_of(folder))
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    assert main_of(status)["lastState"]["terminated"]["exitCode"] == 255


def test_an_adopted_pod_can_be_stopped(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    kill_supervisor(folder, start(world, folder))
    start(world, folder)
    client.stop(folder / SOCKET, 0)
    until(lambda: not is_held(folder))
    assert world.cgroup(folder) == [] and record(folder).is_ended


def test_a_killed_container_is_restarted(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    start(world, folder)
    kill(pid_of(folder))
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    ended = main_of(status)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "Error")


@pytest.mark.parametrize("unseen", [False, True], ids=["seen", "while nobody supervised"])
def test_a_killed_pause_process_is_made_anew(world: World, unseen: bool) -> None:
    folder = world.place({
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [
            container("init", *shell("echo x >> /v/runs"), volumeMounts=[{"name": "v", "mountPath": "/v"}])
        ],
        "containers": [container("main", volumeMounts=[{"name": "v", "mountPath": "/v"}])],
    })  # fmt: skip
    supervisor = start(world, folder)
    pause, before = record(folder).pause, pid_of(folder)
    if unseen:
        kill_supervisor(folder, supervisor)
    kill(pause)
    if unseen:
        world.supervise(folder)
    until(lambda: record(folder).pause not in (0, pause) and pid_of(folder) not in (0, before))
    wait_status(folder, lambda status: condition(status, "Ready"))
    assert is_gone(before)
    assert (folder / "volumes" / "v" / "runs").read_text() == "x\nx\n", "init containers ran again"
    assert main_of(status_of(folder))["restartCount"] == 1


def test_containers_that_outlived_their_pause_process_and_supervisor_are_ended(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    supervisor, pause, before = start(world, folder), record(folder).pause, pid_of(folder)
    kill_supervisor(folder, supervisor)
    state = json.loads((folder / "state.json").read_text())
    kill(pause)
    (folder / "state.json").write_text(json.dumps(state | {"pause": 0, "ticks": 0}))  # all that was noted
    world.supervise(folder)
    until(lambda: is_gone(before) and pid_of(folder) not in (0, before))
    wait_status(folder, lambda status: condition(status, "Ready"))
    assert record(folder).pause not in (0, pause)


def test_a_supervisor_killed_at_any_moment_of_the_start_is_followed_by_one_that_ends_well(
    world: World,
) -> None:
    for step in range(5):
        folder = world.place({"containers": [container("main")]})
        supervisor = world.supervise(folder)
        marks = (folder / "lock", folder / SOCKET, folder / "state.json", folder / "etc", folder / "root")
        until(marks[step].exists)
        kill_supervisor(folder, supervisor)
        start(world, folder)
        assert main_of(status_of(folder))["restartCount"] == 0
        inside = {line for path in world.cgroup(folder) for line in _pids(path)}
        assert inside == {record(folder).pause, pid_of(folder)}, "the first one's processes have gone"
        world.end(folder)


def _pids(path: Path) -> list[int]:
    return [int(line) for file in path.rglob("cgroup.procs") for line in file.read_text().split()]


def test_two_supervisors_never_share_a_folder(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    start(world, folder)
    second = world.supervise(folder)
    until(lambda: is_gone(second))
    reap()
    assert take(folder) is None
    assert client.status(folder / SOCKET)["phase"] == "Running"


def test_an_order_that_is_none_is_refused(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    (folder / "order.json").write_text('{"pod": {}, "node": {"cni_path": [], "cluster_dns": []}}')
    supervisor = world.supervise(folder)
    until(lambda: is_gone(supervisor))
    reap()
    assert "is no order" in (folder / "supervisor.log").read_text()


def test_a_spoilt_state_is_begun_anew(world: World) -> None:
    folder = world.place({"containers": [container("main")]})
    supervisor = start(world, folder)
    before = pid_of(folder)
    kill_supervisor(folder, supervisor)
    (folder / "state.json").write_text('{"pause": ')
    start(world, folder)
    assert is_gone(before), "what nobody knows is ended"


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    """Start what the agent has."""
    made = Spawner()
    yield made
    made.close()


def test_a_killed_spawner_is_replaced_and_its_pods_go_on(world: World, spawner: Spawner) -> None:
    first, second = (world.place({"containers": [container("main")]}) for _ in range(2))
    supervisor = spawner.spawn(first)
    wait_phase(first, "Running")
    assert spawner.pid is not None
    kill_child(spawner.pid)
    spawner.spawn(second)
    wait_phase(second, "Running")
    assert not is_gone(supervisor) and client.status(first / SOCKET)["phase"] == "Running"


def kill_child(pid: int) -> None:
    """Kill a child whose parent object waits for it itself."""
    os.kill(pid, 9)
    until(lambda: is_gone(pid))


def test_a_full_disk_stops_nobody(world: World, tmp_path: Path) -> None:
    small = tmp_path / "pods"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        folder = world.place({"containers": [container("main", *shell(f"trap 'exit 4' USR1; {COUNTING}"))]})
        start(world, folder)
        until(lambda: bool(world.log(folder)))
        fill = small / "fill"
        with fill.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        client.send_signal(folder / SOCKET, "main", 10)
        until(lambda: "could not be written down" in str(client.status(folder / SOCKET).get("podwire")))
        assert client.status(folder / SOCKET)["phase"] == "Running"
        fill.unlink()
        wait_status(folder, lambda status: main_of(status)["restartCount"] >= 1)
        world.close()
        world.folders.clear()
    finally:
        subprocess.run(["umount", small], check=True)
