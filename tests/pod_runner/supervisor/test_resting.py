"""A pod to which nothing happens is held by its keeper alone, and nobody notices."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pod_runner.supervisor import client
from pod_runner.supervisor.lock import is_held
from pod_runner.supervisor.order import SOCKET
from tests.pod_runner.supervisor.world import (
    World,
    condition,
    container,
    is_gone,
    kill,
    main_of,
    record,
    shell,
    until,
    wait_ended,
    wait_status,
)

SOON = {"rest_after": 0.1}
WAITING = "trap 'exit 7' USR1; trap 'echo heard' USR2; sleep 1000 & while :; do wait; done"


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers(keeper: int) -> list[int]:
    """Return the keeper's children that are no containers."""
    return [one for one in children(keeper) if comm(one) == "podwire-pod"]


def comm(pid: int) -> str:
    """Return a process's name, "" when it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def rested(world: World, *command: str, **more: object) -> tuple[Path, int]:
    """Return a pod that runs and its keeper, when that is alone."""
    folder = world.run(*command, node=SOON, **more)
    wait_status(folder, lambda status: condition(status, "Ready"))
    keeper = world.supervisors[-1]
    until(lambda: not workers(keeper))
    return folder, keeper


def test_a_quiet_pod_has_no_worker_and_answers(world: World) -> None:
    folder, keeper = rested(world)
    before = record(folder)
    assert client.status(folder / SOCKET)["phase"] == "Running"
    assert len(workers(keeper)) == 1
    until(lambda: not workers(keeper))
    assert record(folder) == before, "waking changes nothing"
    client.stop(folder / SOCKET, 0)
    until(lambda: is_gone(keeper))


def test_a_pod_with_a_trouble_that_stays_is_quiet_and_goes_on_telling_it(world: World) -> None:
    folder = world.run(node={**SOON, "cluster_dns": ()})
    troubles = wait_status(folder, lambda status: condition(status, "Ready"))["podwire"]["troubles"]
    assert "no DNS address" in troubles[0]
    keeper = world.supervisors[-1]
    until(lambda: not workers(keeper))
    assert client.status(folder / SOCKET)["podwire"] == {"troubles": troubles}


def test_the_exit_code_of_a_container_that_ends_meanwhile_is_exact(world: World) -> None:
    folder, _ = rested(world, *shell(WAITING), restartPolicy="Never")
    os.kill(record(folder).containers["main"].pid, signal.SIGUSR1)
    ended = main_of(wait_ended(folder))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")


def test_a_container_that_is_killed_meanwhile_is_restarted_with_its_signal_told(world: World) -> None:
    folder, keeper = rested(world)
    for count in (1, 2):
        kill_known(record(folder).containers["main"].pid)
        status = wait_status(folder, lambda status, count=count: main_of(status)["restartCount"] == count)  # type: ignore[misc]  # a lambda's default
        ended = main_of(status)["lastState"]["terminated"]
        assert (ended["exitCode"], ended["signal"]) == (137, 9)
        until(lambda: not workers(keeper))


def kill_known(pid: int) -> None:
    """Kill a process that another reaps."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid))


def test_output_meanwhile_is_logged(world: World) -> None:
    folder, keeper = rested(world, *shell(WAITING))
    os.kill(record(folder).containers["main"].pid, signal.SIGUSR2)
    until(lambda: world.log(folder) == ["heard"])
    until(lambda: not workers(keeper))


def test_last_words_meanwhile_are_logged(world: World) -> None:
    script = "trap 'echo last words; exit 7' USR1; sleep 1000 & while :; do wait; done"
    folder, _ = rested(world, *shell(script), restartPolicy="Never")
    os.kill(record(folder).containers["main"].pid, signal.SIGUSR1)
    assert main_of(wait_ended(folder))["state"]["terminated"]["exitCode"] == 7
    assert world.log(folder) == ["last words"]


def test_who_watches_needs_no_worker_and_hears_of_what_changes(world: World) -> None:
    folder, keeper = rested(world)
    seen = client.watch(folder / SOCKET)
    next(seen)
    until(lambda: not workers(keeper))
    kill_known(record(folder).containers["main"].pid)
    assert any(main_of(status)["restartCount"] == 1 for status in seen)
    until(lambda: not workers(keeper))
    client.stop(folder / SOCKET, 0)
    assert [status["phase"] for status in seen][-1:] in ([], ["Failed"], ["Succeeded"], ["Running"])


def test_a_command_runs_longer_than_a_worker_rests(world: World) -> None:
    folder, keeper = rested(world)
    with Path(os.devnull).open("r+") as null:
        run = client.execute(folder / SOCKET, "main", shell("sleep 0.4; exit 5"), [null.fileno()] * 3)
    assert run.wait() == 5
    run.close()
    until(lambda: not workers(keeper))


def test_a_killed_pause_process_is_made_anew(world: World) -> None:
    folder, _ = rested(world)
    pause = record(folder).pause
    kill_known(pause)
    wait_status(folder, lambda status: main_of(status)["restartCount"] == 1 and condition(status, "Ready"))
    assert record(folder).pause not in (0, pause)


def test_a_killed_worker_is_followed_by_another(world: World) -> None:
    folder, keeper = rested(world)
    assert client.status(folder / SOCKET)
    (worker,) = workers(keeper)
    kill_known(worker)
    assert client.status(folder / SOCKET)["phase"] == "Running"
    until(lambda: not workers(keeper))
    kill_known(record(folder).containers["main"].pid)
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    assert main_of(status)["lastState"]["terminated"]["exitCode"] == 137, "it was the keeper's child"


def test_a_killed_keeper_takes_its_worker_along(world: World) -> None:
    folder, keeper = rested(world)
    before = record(folder).containers["main"].pid
    assert client.status(folder / SOCKET)
    (worker,) = workers(keeper)
    kill(keeper)
    until(lambda: is_gone(worker))
    second = world.supervise(folder)
    until(lambda: len(workers(second)) == 1)
    until(lambda: not workers(second))
    assert record(folder).containers["main"].pid == before, "nothing was restarted"
    kill(before)
    status = wait_status(folder, lambda status: main_of(status)["restartCount"] == 1)
    assert main_of(status)["lastState"]["terminated"]["exitCode"] == 255, "an adopted one's is not known"


def test_a_killed_keeper_of_a_quiet_pod_is_followed_by_one_that_has_it(world: World) -> None:
    folder, keeper = rested(world)
    before = record(folder)
    kill(keeper)
    assert not is_held(folder)
    second = world.supervise(folder)
    until(lambda: len(workers(second)) == 1)
    until(lambda: not workers(second))
    assert record(folder) == before, "nothing was restarted, and nothing forgotten"
    client.stop(folder / SOCKET, 0)
    assert all(is_gone(pid) for pid in (before.pause, before.containers["main"].pid))
    assert world.cgroup(folder) == []


@pytest.mark.parametrize(
    "more",
    [{"readinessProbe": {"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}}, {"stdin": True}],
    ids=["probe", "input"],
)
def test_who_needs_a_worker_keeps_it(world: World, more: dict[str, object]) -> None:
    folder = world.run(node=SOON, **more)
    wait_status(folder, lambda status: condition(status, "Ready"))
    (worker,) = workers(world.supervisors[-1])
    other = world.place({"containers": [container("main")]}, node=SOON)
    keeper = world.supervise(other)
    until(lambda: bool(record(other).pause) and not workers(keeper))  # as long as another takes to rest
    assert workers(world.supervisors[0]) == [worker]
