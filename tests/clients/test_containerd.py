"""containerd's own client: `ctr run --cni`, which attaches before a start and detaches after an end."""

from __future__ import annotations

import pytest

from podwire.demo import conflists
from podwire.demo.busybox_image import BUSYBOX
from podwire.demo.container import serve
from podwire.demo.containerd import Containerd
from podwire.demo.dumps import leftovers, take_dump
from podwire.demo.plugin_folder import OUR_FOLDER, PODWIRE
from podwire.demo.world import World, WorldError
from tests.clients.harness import BRIDGE, OUTSIDE_NETWORK, SUBNET, fetch, nothing_left

pytestmark = pytest.mark.clients

WEB_PORT = conflists.PortMapping(host_port=8080, container_port=80)


def set_chain(containerd: Containerd, *ports: conflists.PortMapping) -> None:
    plugins = [conflists.bridge_plugin(BRIDGE, SUBNET), conflists.portmap_plugin(ports), conflists.FIREWALL]
    containerd.set_network(conflists.network("shown", *plugins))


def test_two_containers_reach_each_other_and_the_host(containerd: Containerd, world: World) -> None:
    set_chain(containerd)
    with nothing_left(world) as words, containerd.start("one") as one, containerd.start("two") as two:
        words += [one.address(), two.address(), "default-one", "default-two"]
        assert "1 packets received" in one.execute("ping", "-c1", "-w5", two.address())
        assert "1 packets received" in two.execute("ping", "-c1", "-w5", "10.99.0.1")
        assert "1 packets received" in two.execute("ping", "-c1", "-w5", f"{OUTSIDE_NETWORK}.2")


def test_a_web_server_is_reached_from_outside_through_its_host_port(
    containerd: Containerd, world: World
) -> None:
    set_chain(containerd, WEB_PORT)
    with nothing_left(world) as words:
        with containerd.start("web", serve("hello")) as web:
            words += [web.address(), "default-web"]
            assert fetch(world, f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
            assert world.run(["busybox", "wget", "-qO-", "http://127.0.0.1:8080"]) == "hello\n"
            assert web.execute("wget", "-qO-", f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
        refused = world.attempt(["busybox", "wget", "-qO-", "http://127.0.0.1:8080"])
        assert refused.returncode != 0


def test_a_container_that_dies_by_itself_leaves_nothing(containerd: Containerd, world: World) -> None:
    set_chain(containerd, WEB_PORT)
    before = take_dump(world.run)
    containerd.ctr("run", "--rm", "--cni", BUSYBOX, "brief", "true")
    after = take_dump(world.run)
    assert leftovers(before, after, shared=[BRIDGE], words=["10.99.0.2", "default-brief"]) == []


def test_an_exhausted_pool_fails_the_run_and_leaves_nothing(containerd: Containerd, world: World) -> None:
    containerd.set_network(
        conflists.network("shown", conflists.bridge_plugin(BRIDGE, "10.99.0.0/30"), conflists.FIREWALL)
    )
    with containerd.start("first"), nothing_left(world) as words:
        words.append("default-second")
        with pytest.raises(WorldError, match="no IP addresses available in range set"):
            containerd.start("second")
        containerd.ctr("task", "rm", "--force", "second")  # ctr leaves its own things behind then
        containerd.ctr("containers", "rm", "second")


def test_what_a_detached_run_leaves_is_cleared_by_podwire_cni_del(
    containerd: Containerd, world: World
) -> None:
    set_chain(containerd, WEB_PORT)
    with nothing_left(world) as words:
        words += ["10.99.0.2", "default-loose"]
        containerd.ctr("run", "--detach", "--cni", BUSYBOX, "loose", "sleep", "1000")
        containerd.ctr("task", "rm", "--force", "loose")
        containerd.ctr("containers", "rm", "loose")
        assert list(world.path("/var/lib/cni/networks/shown").glob("10.*")) != []
        world.run([*PODWIRE, "cni", "del", "shown", "/run/netns/gone", "--container-id=default-loose"])


def test_a_network_of_cni_1_1_is_refused_by_this_containerd(containerd: Containerd) -> None:
    containerd.set_network(
        conflists.network("shown", conflists.bridge_plugin(BRIDGE, SUBNET)) | {"cniVersion": "1.1.0"}
    )
    with pytest.raises(WorldError, match=r"1\.1\.0"):
        containerd.start("early")


@pytest.mark.parametrize("sample", ["bridge", "ptp"])
def test_a_sample_that_install_writes_works(sample: str, containerd: Containerd, world: World) -> None:
    world.run([*PODWIRE, "install", "--to", OUR_FOLDER, "--conflist", sample])
    with nothing_left(world, shared=["podwire0"]) as words, containerd.start("one") as one:
        words += [one.address(), one.address(family="inet6"), "default-one"]
        assert "1 packets received" in one.execute("ping", "-c1", "-w5", f"{OUTSIDE_NETWORK}.2")
