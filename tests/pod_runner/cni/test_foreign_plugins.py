"""The reference plugins, run by this runtime; ip(8) judges what they left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_spec.errors import CniError
from cni_spec.network_list import NetworkList, parse_network_list
from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime

REFERENCE = "/usr/lib/cni"
pytestmark = pytest.mark.skipif(not Path(REFERENCE, "bridge").exists(), reason="no reference plugins here")


def _ip(*arguments: str) -> list[dict[str, object]]:
    done = subprocess.run(["ip", "-j", *arguments], check=True, capture_output=True)
    found: list[dict[str, object]] = json.loads(done.stdout or b"[]")
    return found


@pytest.fixture
def netns() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", "foreign"], check=True)
    yield "/run/netns/foreign"
    subprocess.run(["ip", "netns", "del", "foreign"], check=True)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(PluginRunner((REFERENCE,), os.environ), ResultCache(tmp_path / "cache"))


def _network(tmp_path: Path, version: str, *more: dict[str, object]) -> NetworkList:
    ipam = {"type": "host-local", "subnet": "10.77.0.0/24", "dataDir": str(tmp_path / "networks")}
    bridge = {"type": "bridge", "bridge": "foreign0", "isGateway": True, "ipam": ipam}
    body = {"cniVersion": version, "name": "foreign", "plugins": [bridge, {"type": "tuning"}, *more]}
    return parse_network_list(json.dumps(body).encode(), "test")


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_a_chain_of_reference_plugins_is_attached_checked_and_detached(
    tmp_path: Path, runtime: Runtime, netns: str, version: str
) -> None:
    network, target = _network(tmp_path, version), Target("c1", netns, "eth0")

    result = runtime.add(network, target)

    addresses = _ip("-n", "foreign", "-4", "addr", "show", "eth0")
    assert [info["local"] for info in addresses[0]["addr_info"]] == ["10.77.0.2"]  # type: ignore[attr-defined]
    assert result["ips"][0]["address"] == "10.77.0.2/24"  # type: ignore[index]
    if version != "0.3.1":
        runtime.check("foreign", target, lambda: network)

    runtime.delete("foreign", target, lambda: network)

    assert [link["ifname"] for link in _ip("-n", "foreign", "link")] == ["lo"]
    assert not list((tmp_path / "networks" / "foreign").glob("10.*"))


@pytest.mark.usefixtures("host")
def test_an_add_that_fails_in_the_chain_leaves_no_link_and_no_address(
    tmp_path: Path, runtime: Runtime, netns: str
) -> None:
    network = _network(tmp_path, "1.0.0", {"type": "tuning", "sysctl": {"net.ipv4.no.such": "1"}})

    with pytest.raises(CniError, match='plugin type="tuning" failed'):
        runtime.add(network, Target("c1", netns, "eth0"))

    assert [link["ifname"] for link in _ip("-n", "foreign", "link")] == ["lo"]
    assert {link["ifname"] for link in _ip("link")} <= {"lo", "foreign0"}
    assert not list((tmp_path / "networks" / "foreign").glob("10.*"))


@pytest.mark.usefixtures("host")
def test_gc_gives_back_what_a_vanished_container_held(tmp_path: Path, runtime: Runtime, netns: str) -> None:
    network = _network(tmp_path, "1.0.0")
    runtime.add(network, Target("c1", netns, "eth0"))

    runtime.gc(network, set())

    assert not list((tmp_path / "networks" / "foreign").glob("10.*"))
    assert [link["ifname"] for link in _ip("-n", "foreign", "link")] == ["lo"]
