"""The pod's network: plugins are called as libcni calls them, and told of every end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from cni_plugins.registry import PLUGIN_TYPES
from pod_runner.supervisor import client
from pod_runner.supervisor.networking import capability_args
from pod_runner.supervisor.order import SOCKET
from podwire.install.launchers import Kind, launcher
from tests.calls import run
from tests.pod_runner.supervisor.recording_plugin import calls, install, network
from tests.pod_runner.supervisor.world import (
    World,
    condition,
    container,
    kill,
    record,
    status_of,
    until,
    wait_status,
)


def test_plugins_are_told_who_it_is_and_what_is_wanted(world: World) -> None:
    plugins = install(world)
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}, {"containerPort": 81}]
    folder = world.place(
        {"containers": [container("main", ports=ports)]},
        annotations={"kubernetes.io/ingress-bandwidth": "10M"},
    )
    world.supervise(folder)
    status = wait_status(folder, lambda status: condition(status, "Ready"))
    assert status["podIP"] == "10.1.2.3"
    assert status["podIPs"] == [{"ip": "10.1.2.3"}, {"ip": "fd00::3"}]
    call = (plugins / "calls").read_text().splitlines()[-1]
    assert call == (
        f"ADD {folder.name} /proc/{record(folder).pause}/ns/net eth0 IgnoreUnknown=1;"
        f"K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod0;K8S_POD_INFRA_CONTAINER_ID={folder.name};K8S_POD_UID={folder.name}"
    )
    told = json.loads((plugins / "stdin").read_text().splitlines()[-1])["runtimeConfig"]
    assert told == {
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}
        ],
        "bandwidth": {"ingressRate": 10_000_000, "ingressBurst": (1 << 31) - 1},
    }  # fmt: skip
    client.stop(folder / SOCKET, 0)
    assert calls(plugins)[-1] == "DEL"
    assert list(Path(world.node.cni_cache, "results").iterdir()) == []


def test_a_refused_pod_waits_and_is_asked_for_again(world: World) -> None:
    plugins = install(world)
    (plugins / "fail").touch()
    folder = world.place({"containers": [container("main")]}, annotations={})
    world.supervise(folder)
    status = wait_status(folder, lambda status: "message" in status)
    assert "no addresses left" in status["message"] and status["phase"] == "Pending"
    (plugins / "fail").unlink()
    status = wait_status(folder, lambda status: condition(status, "Ready"))
    assert "message" not in status


def test_an_add_that_waits_holds_up_nobody_and_is_taken_back(world: World) -> None:
    plugins = install(world)
    (plugins / "slow").touch()
    folder = world.place({"containers": [container("main")]}, annotations={})
    supervisor = world.supervise(folder)
    until(lambda: bool(sleepers(plugins)))
    assert client.status(folder / SOCKET)["phase"] == "Pending"
    (plugins / "slow").unlink()
    kill(supervisor)
    world.supervise(folder)
    for pid in sleepers(plugins):
        os.kill(pid, signal.SIGKILL)  # the first supervisor's plugin goes on, and nobody listens to it
    wait_status(folder, lambda status: condition(status, "Ready"))
    assert calls(plugins)[-2:] == ["DEL", "ADD"]


def sleepers(folder: Path) -> list[int]:
    """Return the processes of plugins that wait."""
    every = Path("/proc").glob("[0-9]*")
    return [int(one.name) for one in every if _names(one, "sleep\x001000", folder)]


def _names(process: Path, words: str, folder: Path) -> bool:
    try:
        return words in (process / "cmdline").read_text() and str(folder) in (process / "environ").read_text()
    except OSError:  # it has ended
        return False


def test_a_new_sandbox_is_attached_anew(world: World) -> None:
    plugins = install(world)
    folder = world.place({"containers": [container("main")]}, annotations={})
    world.supervise(folder)
    wait_status(folder, lambda status: condition(status, "Ready"))
    pause = record(folder).pause
    kill(pause)
    until(lambda: record(folder).pause not in (0, pause) and calls(plugins)[-2:] == ["DEL", "ADD"])
    wait_status(folder, lambda status: condition(status, "Ready"))


def test_pods_on_a_bridge_reach_each_other_and_leave_no_link(world: World) -> None:
    path = Path(world.node.cni_path[0])
    path.mkdir()
    for name in PLUGIN_TYPES:
        (path / name).write_bytes(launcher(name, kind=Kind.PYTHON))
        (path / name).chmod(0o755)
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}
    network(world, {"type": "bridge", "bridge": "test0", "isGateway": True, "ipam": ipam})
    serve = ["/usr/bin/python3", "-m", "http.server", "8080", "--directory", "/etc"]
    server = world.place({"containers": [container("main", *serve)]}, annotations={})
    world.supervise(server)
    status = wait_status(server, lambda status: condition(status, "Ready"))
    ask = f"import urllib.request as r; print(r.urlopen('http://{status['podIP']}:8080/hostname').read().decode())"
    asking = world.place(
        {"restartPolicy": "OnFailure", "containers": [container("main", "/usr/bin/python3", "-c", ask)]},
        annotations={}, node={"back_off": 0.1},
    )  # fmt: skip
    world.supervise(asking)
    wait_status(asking, lambda status: status["phase"] == "Succeeded")
    world.end(asking)
    assert world.log(asking, run=record(asking).containers["main"].runs - 1)[0] == "pod0"
    assert set(client.stats(server / SOCKET)["network"]) == {"eth0"}  # type: ignore[call-overload]
    world.end(server)
    links = json.loads(run(["ip", "-j", "link"]))
    assert {one["ifname"] for one in links} == {"lo", "test0"}


def test_the_nodes_own_network_needs_no_plugin(world: World) -> None:
    folder = world.place({"hostNetwork": True, "containers": [container("main")]}, annotations={})
    world.supervise(folder)
    status = wait_status(folder, lambda status: condition(status, "Ready"))
    assert status["podIP"] == "192.0.2.1"
    assert Path(f"/proc/{record(folder).pause}/ns/net").samefile("/proc/self/ns/net")


def test_a_node_without_a_network_says_so(world: World) -> None:
    folder = world.place({"containers": [container("main")]}, annotations={})
    world.supervise(folder)
    status = wait_status(folder, lambda status: "message" in status)
    assert "there is no CNI network in" in status["message"]
    assert "waiting" in status_of(folder)["containerStatuses"][0]["state"]


def test_what_is_not_wanted_is_not_asked_for() -> None:
    assert (
        capability_args({"metadata": {}, "spec": {"containers": [{"ports": [{"containerPort": 1}]}]}}) == {}
    )
