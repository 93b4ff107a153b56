"""Pods as a kubelet makes them: over containerd's CRI socket, with host ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.demo import conflists
from podwire.demo.container import serve
from podwire.demo.containerd import SOCKET, Containerd
from podwire.demo.world import World
from tests.clients.harness import BRIDGE, OUTSIDE_NETWORK, SUBNET, fetch, need, nothing_left, write_network

pytestmark = pytest.mark.clients

grpc = pytest.importorskip("grpc")
pytest.importorskip("google.protobuf")

from tests.clients.cri import Cri, pod  # noqa: E402  (after the skip)

FAILING_PLUGIN = """#!/bin/sh
[ "$CNI_COMMAND" != ADD ] || { echo '{"cniVersion": "1.0.0", "code": 100, "msg": "refused"}'; exit 1; }
"""
WEB_PORT = conflists.PortMapping(host_port=8080, container_port=80)


@pytest.fixture
def cri(world: World, archive: Path) -> Iterator[Cri]:
    """Connect to a containerd that has found its network when it starts."""
    need("containerd", "ctr", "runc")
    bridge = conflists.bridge_plugin(BRIDGE, SUBNET)
    chain = (bridge, conflists.portmap_plugin(), conflists.FIREWALL)
    write_network(world, conflists.network("shown", *chain))
    with Containerd(world) as daemon:
        daemon.import_images(archive, namespace="k8s.io")
        with Cri(world.path(SOCKET)) as connection:
            yield connection


def test_the_runtime_finds_its_network_ready(cri: Cri) -> None:
    conditions = cri.call("Status").status.conditions
    assert {condition.type: condition.status for condition in conditions} == {
        "RuntimeReady": True,
        "NetworkReady": True,
    }


def test_two_pods_reach_each_other(cri: Cri, world: World) -> None:
    with nothing_left(world) as words:
        sandboxes = [cri.run_pod(pod("one")), cri.run_pod(pod("two"))]
        addresses = [cri.address(sandbox) for sandbox in sandboxes]
        words += [*sandboxes, *addresses]
        container = cri.start_container(sandboxes[0], pod("one"))
        for address in (*addresses, "127.0.0.1", "10.99.0.1", f"{OUTSIDE_NETWORK}.2"):
            assert "1 packets received" in cri.execute(container, "ping", "-c1", "-w5", address)
        for sandbox in sandboxes:
            cri.remove_pod(sandbox)


def test_a_host_port_of_a_pod_is_reached_from_outside(cri: Cri, world: World) -> None:
    config = pod("web", [WEB_PORT])
    with nothing_left(world) as words:
        sandbox = cri.run_pod(config)
        words += [sandbox, cri.address(sandbox)]
        container = cri.start_container(sandbox, config)
        cri.execute(container, "sh", "-c", serve("hello"))
        assert fetch(world, f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
        cri.remove_pod(sandbox)
        assert world.attempt(["busybox", "wget", "-qO-", "http://127.0.0.1:8080"]).returncode != 0


def test_stopping_a_pod_twice_is_quiet(cri: Cri, world: World) -> None:
    with nothing_left(world) as words:
        sandbox = cri.run_pod(pod("brief"))
        words += [sandbox, cri.address(sandbox)]
        cri.call("StopPodSandbox", pod_sandbox_id=sandbox)
        cri.call("StopPodSandbox", pod_sandbox_id=sandbox)
        cri.remove_pod(sandbox)


def test_a_pod_whose_network_fails_leaves_nothing(cri: Cri, world: World) -> None:
    last = world.path("/opt/cni/bin/firewall")
    last.unlink()
    last.write_text(FAILING_PLUGIN)
    last.chmod(0o755)
    with nothing_left(world) as words:
        words += ["10.99.0.2", "8080"]
        with pytest.raises(grpc.RpcError, match="refused"):
            cri.run_pod(pod("doomed", [WEB_PORT]))
