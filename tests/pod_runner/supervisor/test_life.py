"""A pod's life: containers begin in order, end, and run again as their policy says."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pod_runner.supervisor import client
from pod_runner.supervisor.order import SOCKET
from tests.pod_runner.supervisor.world import (
    Json,
    World,
    condition,
    container,
    is_gone,
    main_of,
    record,
    shell,
    status_of,
    until,
    wait_ended,
    wait_phase,
    wait_status,
)

LIMIT = {"resource": "limits.memory", "divisor": "1Mi"}
FOREVER = "while :; do sleep 1000; done"


def is_crashing(status: Json) -> bool:
    """Tell whether the first container waits before it runs again."""
    return bool(main_of(status)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")


def test_a_pod_runs_is_logged_and_leaves_nothing(world: World) -> None:
    folder = world.run(*shell(f"hostname; echo wrong >&2; {FOREVER}"))
    status = wait_phase(folder, "Running")
    until(lambda: sorted(world.log(folder)) == ["pod0", "wrong"])
    assert all(condition(status, kind) for kind in ("Initialized", "ContainersReady", "Ready"))
    assert "running" in main_of(status)["state"] and main_of(status)["ready"]
    pause = record(folder).pause
    last = client.stop(folder / SOCKET, 0)
    assert main_of(last)["state"]["terminated"]["exitCode"] == 137
    assert not condition(last, "Ready")
    assert is_gone(pause) and world.cgroup(folder) == []


def test_a_pod_that_is_done_has_succeeded_and_needs_no_supervisor(world: World) -> None:
    folder = world.run("/bin/true", restartPolicy="Never")
    status = wait_ended(folder)
    assert status["phase"] == "Succeeded"
    assert main_of(status)["state"]["terminated"]["reason"] == "Completed"
    assert not (folder / SOCKET).exists() and world.cgroup(folder) == []


def test_a_failure_is_final_where_nothing_restarts(world: World) -> None:
    status = wait_ended(world.run(*shell("exit 9"), restartPolicy="Never"))
    assert status["phase"] == "Failed"
    assert main_of(status)["state"]["terminated"]["exitCode"] == 9


def test_on_failure_runs_until_it_succeeds(world: World) -> None:
    folder = world.place({
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "memory", "emptyDir": {}}],
        "containers": [
            container(
                "main", *shell("test -e /m/tried || { touch /m/tried; exit 1; }"),
                volumeMounts=[{"name": "memory", "mountPath": "/m"}],
            )
        ],
    })  # fmt: skip
    world.supervise(folder)
    status = wait_ended(folder)
    assert status["phase"] == "Succeeded"
    assert main_of(status)["restartCount"] == 1
    assert main_of(status)["lastState"]["terminated"]["exitCode"] == 1


def test_a_crashing_container_is_restarted_with_a_back_off(world: World) -> None:
    folder = world.run(*shell("echo again; exit 1"), node={"back_off": 0.3, "longest_back_off": 60.0})
    status = wait_status(folder, is_crashing)
    waiting = main_of(status)["state"]["waiting"]
    assert waiting["message"].startswith("back-off 0.3s restarting failed container=main pod=pod0_default(")
    assert main_of(status)["restartCount"] == 1, "the first restart is immediate"
    assert not main_of(status)["ready"] and status["phase"] == "Running"
    wait_status(folder, lambda status: main_of(status)["restartCount"] == 2)


def test_each_run_begins_with_the_images_files(world: World) -> None:
    folder = world.run(*shell("test -e /tmp/mark && echo old; touch /tmp/mark; echo run; exit 1"))
    wait_status(folder, lambda status: main_of(status)["restartCount"] >= 1)
    until(lambda: world.log(folder, run=1) == ["run"])
    until(lambda: list((folder / "root").glob(".gone/*")) == [])


def test_a_program_that_is_not_there_is_named(world: World) -> None:
    status = wait_ended(world.run("/no/such/program", restartPolicy="Never"))
    ended = main_of(status)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]


def test_init_containers_run_one_after_the_other_before_all(world: World) -> None:
    write = "echo {} >> /v/order"
    mounts = [{"name": "v", "mountPath": "/v"}]
    folder = world.place({
        "restartPolicy": "Never",
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [
            container("first", *shell("sleep 0.05;" + write.format("first")), volumeMounts=mounts),
            container("second", *shell(write.format("second")), volumeMounts=mounts),
        ],
        "containers": [container("main", *shell("cat /v/order"), volumeMounts=mounts)],
    })  # fmt: skip
    world.supervise(folder)
    status = wait_ended(folder)
    assert world.log(folder) == ["first", "second"]
    assert [one["ready"] for one in status["initContainerStatuses"]] == [True, True]


def test_a_failing_init_container_fails_the_pod(world: World) -> None:
    folder = world.place({
        "restartPolicy": "Never",
        "initContainers": [container("init", "/bin/false")],
        "containers": [container("main")],
    })  # fmt: skip
    world.supervise(folder)
    status = wait_ended(folder)
    assert status["phase"] == "Failed" and not condition(status, "Initialized")
    assert main_of(status)["restartCount"] == 0 and "waiting" in main_of(status)["state"]


def test_a_sidecar_runs_beside_the_others_and_ends_after_them(world: World) -> None:
    trap = "trap 'echo ended; exit 0' TERM"
    folder = world.place({
        "restartPolicy": "Never",
        "initContainers": [
            container("side", *shell(f"{trap}; sleep 1000 & wait"), restartPolicy="Always")
        ],
        "containers": [container("main", *shell("sleep 0.1"))],
    })  # fmt: skip
    world.supervise(folder)
    status = wait_ended(folder)
    assert status["phase"] == "Succeeded"
    assert world.log(folder, "side") == ["ended"]


def test_the_grace_period_ends_with_a_kill(world: World) -> None:
    folder = world.run(*shell(f"trap 'echo no' TERM; echo ready; {FOREVER}"))
    until(lambda: world.log(folder) == ["ready"])
    last = client.stop(folder / SOCKET, 0.2)
    assert main_of(last)["state"]["terminated"] | {"startedAt": "", "finishedAt": "", "containerID": ""} == {
        "exitCode": 137, "signal": 9, "reason": "Error", "startedAt": "", "finishedAt": "", "containerID": "",
    }  # fmt: skip


def test_hooks_run_after_the_start_and_before_the_end(world: World) -> None:
    folder = world.run(
        *shell(f"trap 'cat /tmp/hooks; exit 0' TERM; {FOREVER.replace('1000', '0.02')}"),
        lifecycle={
            "postStart": {"exec": {"command": shell("echo post >> /tmp/hooks")}},
            "preStop": {"exec": {"command": shell("echo pre >> /tmp/hooks")}},
        },
    )
    wait_status(folder, lambda status: condition(status, "Ready"))
    last = client.stop(folder / SOCKET, 10)
    assert main_of(last)["state"]["terminated"]["exitCode"] == 0
    assert world.log(folder) == ["post", "pre"]


def test_a_post_start_hook_that_fails_ends_the_container(world: World) -> None:
    folder = world.run(
        *shell("trap 'exit 3' TERM; while :; do sleep 0.02; done"),
        lifecycle={"postStart": {"exec": {"command": ["/bin/false"]}}},
        restartPolicy="Never",
    )
    ended = main_of(wait_ended(folder))["state"]["terminated"]
    assert ended["message"].startswith("PostStartHookError")


def test_memory_that_runs_out_is_said(world: World) -> None:
    folder = world.run(
        *shell("head -c 200000000 /dev/zero | tail"), restartPolicy="Never",
        resources={"limits": {"memory": "16Mi"}},
    )  # fmt: skip
    ended = main_of(wait_ended(folder))["state"]["terminated"]
    assert ended["reason"] == "OOMKilled" and ended["exitCode"] == 137


def test_a_missing_config_map_is_waited_for(world: World) -> None:
    env = [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}]
    folder = world.run(*shell("echo $COLOUR; " + FOREVER), env=env)
    status = wait_status(folder, lambda status: "message" in main_of(status)["state"].get("waiting", {}))
    assert main_of(status)["state"]["waiting"] == {
        "reason": "CreateContainerConfigError", "message": 'configmap "settings" not found',
    }  # fmt: skip
    order = json.loads((folder / "order.json").read_text())
    (folder / "order.json").write_text(json.dumps(order | {"config_maps": {"settings": {"colour": "red"}}}))
    client.refresh(folder / SOCKET)
    until(lambda: world.log(folder) == ["red"])


def test_variables_and_arguments_are_kubernetes(world: World) -> None:
    folder = world.run(
        *shell('echo "$0 $NAME $LIMIT"'), args=["$(NAME) $$(NAME) $(OTHER)"], restartPolicy="Never",
        env=[
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "LIMIT", "valueFrom": {"resourceFieldRef": LIMIT}},
        ],
        resources={"limits": {"memory": "64Mi"}},
    )  # fmt: skip
    wait_ended(folder)
    assert world.log(folder) == ["pod0 $(NAME) $(OTHER) pod0 64"]


def test_logs_and_control_are_nobody_elses(world: World) -> None:
    folder = world.run(*shell(f"echo; {FOREVER}"))
    until(lambda: bool(world.log(folder)))
    files = [
        *Path(world.node.logs).rglob("*.log"),
        folder / SOCKET,
        folder / "state.json",
        folder / "status.json",
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert os.access(folder, os.R_OK) and status_of(folder)
