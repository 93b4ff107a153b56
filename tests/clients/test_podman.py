"""podman with `network_backend = "cni"`: the chain of its own 87-podman-bridge.conflist, on our plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.demo import conflists
from podwire.demo.busybox_image import BUSYBOX
from podwire.demo.container import FOREVER, serve
from podwire.demo.world import World
from tests.clients.harness import OUTSIDE_NETWORK, fetch, need, nothing_left, write_network
from tests.clients.podman import Podman

pytestmark = pytest.mark.clients

BRIDGE = "cni-podman0"
ADDRESS = "{{.NetworkSettings.Networks.podman.IPAddress}}"
# As podman 4 ships it.
NETWORK: conflists.Json = {
    "cniVersion": "0.4.0",
    "name": "podman",
    "plugins": [
        {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "routes": [{"dst": "0.0.0.0/0"}],
                "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall"},
        {"type": "tuning"},
    ],
}


@pytest.fixture
def podman(world: World, archive: Path) -> Iterator[Podman]:
    """Give the test a podman whose containers are gone afterwards."""
    need("podman", "conmon", "runc")
    write_network(world, NETWORK, order="87")
    opened = Podman(world, archive)
    yield opened
    opened.run("rm", "--all", "--force", "--time=0")


def start(podman: Podman, name: str, script: str, *options: str) -> str:
    """Start a container that runs `script` and stays; return its address."""
    command = ["sh", "-c", f"{script} && {FOREVER}"]
    podman.run("run", "--detach", f"--name={name}", *options, BUSYBOX, *command)
    return podman.inspect(name, ADDRESS)


def test_two_containers_reach_each_other_and_the_host(podman: Podman, world: World) -> None:
    with nothing_left(world, shared=[BRIDGE]) as words:
        words += [start(podman, "one", "true"), start(podman, "two", "true")]
        words += [podman.inspect(name, "{{.Id}}") for name in ("one", "two")]
        for address in (*words[:2], "10.88.0.1", f"{OUTSIDE_NETWORK}.2"):
            assert "1 packets received" in podman.run("exec", "one", "ping", "-c1", "-w5", address)
        podman.run("rm", "--force", "--time=0", "one", "two")


def test_a_published_port_is_reached_from_outside(podman: Podman, world: World) -> None:
    with nothing_left(world, shared=[BRIDGE]) as words:
        words += [start(podman, "web", "true", "--publish=8080:80"), podman.inspect("web", "{{.Id}}")]
        podman.run("exec", "web", "sh", "-c", serve("hello"))
        assert fetch(world, f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
        assert world.run(["busybox", "wget", "-qO-", "http://127.0.0.1:8080"]) == "hello\n"
        podman.run("rm", "--force", "--time=0", "web")


def test_a_container_that_ends_by_itself_leaves_nothing(podman: Podman, world: World) -> None:
    with nothing_left(world, shared=[BRIDGE]) as words:
        words.append("10.88.0.2")
        assert "10.88.0.2/16" in podman.run("run", "--rm", BUSYBOX, "ip", "addr", "show", "eth0")


def test_a_chosen_address_and_mac_are_given(podman: Podman, world: World) -> None:
    with nothing_left(world, shared=[BRIDGE]) as words:
        words.append("10.88.7.7")
        options = ("--ip=10.88.7.7", "--mac-address=02:00:00:00:77:77")
        shown = podman.run("run", "--rm", *options, BUSYBOX, "ip", "addr", "show", "eth0")
        assert "10.88.7.7/16" in shown
        assert "02:00:00:00:77:77" in shown


def test_a_network_that_podman_makes_itself_works(podman: Podman, world: World) -> None:
    podman.run("network", "create", "--subnet=10.91.0.0/24", "mine")
    with nothing_left(world, shared=["cni-podman1"]) as words:
        words.append("10.91.0.2")
        shown = podman.run("run", "--rm", "--network=mine", BUSYBOX, "ip", "addr", "show", "eth0")
        assert "10.91.0.2/24" in shown
