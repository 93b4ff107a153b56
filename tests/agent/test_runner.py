"""Pods in the agent, from an object to a process with an address and back, and what is told of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster_store.directory import DirectoryStore
from cni_spec.errors import CniError
from pod_runner.cluster.kinds import NODE, POD
from pod_runner.cluster.store import ClusterStore
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.removing import holder
from pod_runner.node.reporting import pods
from pod_runner.node.settings import RunnerSettings
from pod_runner.node.supervisors import is_running
from pod_runner.supervisor.state import read_state
from podwire.agent.client import ask
from podwire.agent.protocol import NOT_SERVED, RUNNER, Reply, Request
from podwire.agent.runner import Runner
from podwire.agent.runner_metrics import RunnerCollector
from tests.agent.conftest import SOCKET
from tests.ways import PYTHON, running_agent, write_launchers

WITHIN = 30.0  # seconds, on a machine busy with other tests
LIST = {
    "cniVersion": "1.0.0", "name": "pods",
    "plugins": [{
        "type": "bridge", "bridge": "run0", "isGateway": True,
        "ipam": {"type": "host-local", "subnet": "10.88.0.0/24"},
    }],
}  # fmt: skip
WEB: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "host", "command": ["/bin/sleep", "1000"]}],
    },
}


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)  # a poll with a deadline


def question(**body: str) -> Reply:
    return ask(SOCKET, Request(RUNNER, {}, json.dumps(body).encode()), timeout=60)


def answer(**body: str) -> Any:
    reply = question(**body)
    assert reply.status == 0, reply
    return json.loads(reply.stdout)


@pytest.fixture
def settings(host: None, tmp_path: Path) -> Iterator[RunnerSettings]:
    write_launchers(tmp_path / "bin", PYTHON)
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / "1.conflist").write_text(json.dumps(LIST))
    parent = f"/podwire-test-runner-{os.getpid()}"
    folders: dict[str, Any] = {
        key: str(tmp_path / key) for key in ("pods", "images", "volumes", "logs", "cni_cache")
    }
    yield RunnerSettings(
        enabled=True, store=f"directory:{tmp_path / 'cluster'}", node="n1", address="192.0.2.1", drain=0.0,
        conf_dir=str(tmp_path / "net.d"), cni_path=(str(tmp_path / "bin"),), cgroup_parent=parent,
        heartbeat=2.0, **folders,
    )  # fmt: skip
    Cgroups.detect().remove(parent)


@pytest.fixture
def runner(settings: RunnerSettings) -> Iterator[Runner]:
    found = Runner(settings)
    with running_agent(SOCKET) as server:
        server.serving.questions[RUNNER] = found.answer
        found.start()
        try:
            assert found.wait_ready(WITHIN)
            yield found
        finally:
            found.stop()


@pytest.fixture
def cluster(settings: RunnerSettings) -> ClusterStore:
    return ClusterStore(DirectoryStore(Path(settings.store.removeprefix("directory:"))))


def status(cluster: ClusterStore) -> dict[str, Any]:
    found = cluster.get(POD, "default", "web")
    return dict(found.status) if found else {}


def links() -> str:
    done = subprocess.run(
        ["ip", "-o", "link", "show", "type", "veth"], capture_output=True, text=True, check=True
    )
    return done.stdout


def is_ready(cluster: ClusterStore) -> bool:
    conditions = status(cluster).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def test_a_pod_is_scheduled_runs_with_an_address_is_measured_and_goes(
    runner: Runner, cluster: ClusterStore, settings: RunnerSettings
) -> None:
    wait_for(lambda: cluster.get(NODE, "", "n1"), "there is no node")
    cluster.create(WEB)
    wait_for(lambda: is_ready(cluster), f"it does not run: {status(cluster)}")
    assert status(cluster)["podIP"].startswith("10.88.0.") and status(cluster)["hostIP"] == "192.0.2.1"
    subprocess.run(["ping", "-c1", "-W2", status(cluster)["podIP"]], check=True, capture_output=True)

    (pod,) = answer(ask="pods")
    assert pod["name"] == "web" and pod["supervised"] and pod["status"]["phase"] == "Running"
    (used,) = answer(ask="stats")
    assert used["total"]["pids"] >= 2 and used["containers"]["main"]["memory_bytes"] > 0
    (eth0,) = used["interfaces"]
    assert eth0["name"] == "eth0" and eth0["received_packets"] >= 1
    figures = {one.name: one for one in RunnerCollector(runner).collect()}
    names = {tuple(one.labels.values()) for one in figures["container_memory_working_set_bytes"].samples}
    assert names == {("default", "web", ""), ("default", "web", "main")}
    (received,) = figures["container_network_receive_bytes"].samples
    assert received.value > 0 and received.name == "container_network_receive_bytes_total"
    told = answer(ask="status")
    assert told["synced"] and told["pods"] == told["supervised"] == 1 and told["controllers"]["leader"]

    cluster.delete(POD, "default", "web")
    wait_for(lambda: not cluster.list(POD), "it does not go")
    assert links() == "" and not list(Path(settings.pods).iterdir())
    reserved = {path.name for path in Path("/var/lib/cni/networks/pods").iterdir()}
    assert not any(name.startswith("10.88") for name in reserved)
    assert Cgroups.detect().pids(settings.cgroup_parent) == [] and answer(ask="pods") == []


def test_a_killed_supervisor_and_an_agent_started_anew_restart_nothing(
    runner: Runner, cluster: ClusterStore, settings: RunnerSettings
) -> None:
    spec = {**WEB["spec"], "hostNetwork": True, "nodeName": "n1"}
    cluster.create({**WEB, "spec": spec})
    wait_for(lambda: is_ready(cluster), f"it does not run: {status(cluster)}")
    (folder,) = Path(settings.pods).iterdir()
    before = status(cluster)["containerStatuses"]
    process = read_state(folder).container("main").pid

    os.kill(holder(folder), signal.SIGKILL)
    runner.stop()
    again = Runner(settings)
    again.start()
    try:
        wait_for(lambda: again.node.known.local and pods(again.node)[0]["supervised"], "nobody supervises it")
        assert (
            read_state(folder).container("main").pid == process
            and status(cluster)["containerStatuses"] == before
        )
        cluster.delete(POD, "default", "web")
        wait_for(lambda: not cluster.list(POD) and not folder.exists(), "it does not go")
        assert not is_running(process)
    finally:
        again.stop()


@pytest.mark.parametrize("body", [{"ask": "everything"}, {}, {"ask": "\0"}])
def test_what_cannot_be_asked_is_one_error(runner: Runner, body: dict[str, str]) -> None:
    reply = question(**body)
    assert reply.status == 1 and json.loads(reply.stdout)["code"] == 7


def test_an_agent_without_pods_says_so(host: None) -> None:
    with running_agent(SOCKET):
        assert question(ask="status").status == NOT_SERVED


def test_a_store_that_is_none_is_said_at_the_start(settings: RunnerSettings) -> None:
    with pytest.raises(CniError, match=r"\[runner\] store"):
        Runner(settings.model_copy(update={"store": "nonsense:"}))
