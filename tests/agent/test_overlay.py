"""The overlay in an agent: asked through its socket, by the command line, and by Prometheus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from overlay.settings import OverlaySettings
from overlay.subnet import parse_subnet
from podwire.agent.client import ask
from podwire.agent.overlay import OverlayService, count_addresses
from podwire.agent.overlay_metrics import OverlayCollector
from podwire.agent.protocol import NOT_SERVED, OVERLAY, Reply, Request
from tests.agent.conftest import SOCKET
from tests.ways import running_agent

WITHIN = 60.0  # seconds for a lease
NET_CONF = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}


@contextmanager
def overlay_in_agent(folder: Path) -> Iterator[OverlayService]:
    """Run an agent with an overlay whose leases are in a folder, on a host with one uplink."""
    os.system("ip link add eth0 type veth peer name other; ip addr add 192.168.77.1/24 dev eth0")
    os.system("ip link set eth0 up; ip link set other up")
    (folder / "net-conf.json").write_text(json.dumps(NET_CONF))
    settings = OverlaySettings(
        registry=str(folder / "registry"), node="one", net_conf=str(folder / "net-conf.json"),
        subnet_env=str(folder / "subnet.env"), state=str(folder / "state"),
    )  # fmt: skip
    service = OverlayService(settings)
    with running_agent(SOCKET) as server:
        server.serving.questions[OVERLAY] = service.answer
        service.start()
        try:
            with service.node.changed:
                assert service.node.changed.wait_for(lambda: service.node.is_ready, WITHIN)
            yield service
        finally:
            service.stop()


@pytest.fixture
def service(host: None, tmp_path: Path) -> Iterator[OverlayService]:
    with overlay_in_agent(tmp_path) as found:
        yield found


def question(**body: str) -> Reply:
    return ask(SOCKET, Request(OVERLAY, {}, json.dumps(body).encode()), timeout=60)


def podwire(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podwire", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_agent_without_an_overlay_says_so(host: None) -> None:
    with running_agent(SOCKET):
        assert question(ask="status").status == NOT_SERVED
        done = podwire("overlay", "status")
        assert done.returncode == 1 and "this agent has no overlay" in done.stderr


def test_the_status_tells_the_lease_and_what_the_kernel_has(service: OverlayService) -> None:
    body: dict[str, Any] = json.loads(question(ask="status").stdout)
    assert body["ready"] and body["running"] and body["conditions"] == []
    (tunnel,) = body["tunnels"]
    shown = subprocess.run(["ip", "-j", "link", "show", tunnel["name"]], capture_output=True, check=True)
    assert json.loads(shown.stdout)[0]["mtu"] == tunnel["mtu"] == body["mtu"] == 1450
    assert parse_subnet("10.244.0.0/16").covers(parse_subnet(body["subnets"][0]))


def test_the_command_line_shows_it_to_people_and_to_programs(service: OverlayService) -> None:
    shown = podwire("overlay", "status")
    assert shown.returncode == 0 and "192.168.77.1 (eth0)" in shown.stdout
    told = json.loads(podwire("overlay", "status", "-o", "json").stdout)
    assert told["node"] == "one"
    assert json.loads(podwire("overlay", "peers", "-o", "json").stdout) == []
    assert podwire("overlay", "resync").returncode == 0
    probed = podwire("overlay", "probe", "nobody")
    assert probed.returncode == 1 and "no peer that can be asked" in probed.stderr


@pytest.mark.parametrize("body", [{"ask": "everything"}, {}, {"ask": "\0"}])
def test_what_cannot_be_asked_is_one_error(service: OverlayService, body: dict[str, str]) -> None:
    reply = question(**body)
    assert reply.status == 1 and json.loads(reply.stdout)["code"] == 7


def test_a_node_with_pods_does_not_leave_and_one_without_leaves_nothing(
    service: OverlayService, tmp_path: Path
) -> None:
    subnet = service.node.tenancy.subnets[0]
    reserved = Path("/var/lib/cni/networks/pods", subnet.nth(2))
    reserved.parent.mkdir(parents=True)
    reserved.write_text("pod\neth0")
    assert count_addresses(subnet) == 1
    refused = podwire("overlay", "leave")
    assert refused.returncode == 1 and "1 pods have addresses" in refused.stderr
    reserved.unlink()
    assert podwire("overlay", "leave").returncode == 0
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    assert {one["ifname"] for one in links} == {"lo", "eth0", "other"}
    for look in (["ip", "route", "show", "proto", "156"], ["ip", "nexthop"], ["nft", "list", "tables"]):
        assert subprocess.run(look, capture_output=True, check=True).stdout == b""
    assert not (tmp_path / "subnet.env").exists()
    assert not any("subnets" in one.name for one in (tmp_path / "registry").iterdir() if one.is_file())


def test_prometheus_hears_of_it_and_of_no_single_peer(service: OverlayService) -> None:
    with service.node.changed:
        assert service.node.changed.wait_for(lambda: service.node.peers.records, WITHIN), "its own, too"
    found = {one.name: one for one in OverlayCollector(service).collect()}
    (ready,) = found["podwire_overlay_ready"].samples
    assert ready.value == 1
    (free,) = found["podwire_overlay_leases_free"].samples
    assert free.value == 254
    states = {one.labels["state"] for one in found["podwire_overlay_peers"].samples}
    assert {"desired", "programmed", "refused"} <= states
    assert all("peer" not in sample.labels for one in found.values() for sample in one.samples)
