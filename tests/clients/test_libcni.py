"""libcni, the library inside containerd, CRI-O and podman, attaches, checks and detaches."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from podwire.demo import conflists
from podwire.demo.conflists import Json
from podwire.demo.world import World
from tests.clients import libcni
from tests.clients.harness import (
    BRIDGE,
    OUTSIDE_NETWORK,
    SUBNET,
    WEB,
    fetch,
    nothing_left,
    write_network,
)

pytestmark = pytest.mark.clients

PORTS = {"CAP_ARGS": json.dumps({"portMappings": [conflists.PortMapping(8080, 80).to_json()]})}
INTERFACES = {"bridge": conflists.bridge_plugin(BRIDGE, SUBNET), "ptp": conflists.ptp_plugin(SUBNET)}


TOOLS = ["libcni_tool"] if libcni.find_cnitool() is None else ["libcni_tool", "cnitool"]


@pytest.fixture(scope="session", params=TOOLS)
def executable(request: pytest.FixtureRequest) -> Path:
    """Return a tool: ours around Debian's libcni, and the machine's cnitool where there is one."""
    if request.param == "cnitool" and (found := libcni.find_cnitool()) is not None:
        return found
    if reason := libcni.missing():
        pytest.skip(reason)
    return libcni.build()


@pytest.fixture
def tool(world: World, executable: Path) -> libcni.Tool:
    world.run(["ip", "netns", "add", "pod"])
    return libcni.Tool(world, executable)


def in_pod(world: World, *command: str) -> str:
    return world.run(["ip", "netns", "exec", "pod", *command])


def full_chain(kind: str) -> Json:
    rest = (conflists.portmap_plugin(), conflists.FIREWALL, conflists.TUNING)
    return conflists.network("net", INTERFACES[kind], *rest)


@pytest.mark.parametrize("kind", INTERFACES)
def test_one_plugin_is_added_checked_and_deleted(kind: str, world: World, tool: libcni.Tool) -> None:
    write_network(world, conflists.network("net", INTERFACES[kind]))
    with nothing_left(world) as words:
        result = tool.run("add", "net", "pod")
        address = result["ips"][0]["address"].partition("/")[0]
        words += [address, libcni.container_id("pod")]
        (link,) = json.loads(in_pod(world, "ip", "-j", "addr", "show", "dev", "eth0"))
        assert address in [entry["local"] for entry in link["addr_info"]]
        assert "1 received" in in_pod(world, "ping", "-c1", "-W5", f"{OUTSIDE_NETWORK}.2")
        tool.run("check", "net", "pod")
        tool.run("del", "net", "pod")
        tool.run("del", "net", "pod")
    assert in_pod(world, "ip", "-br", "link", "show", "type", "veth") == ""


@pytest.mark.parametrize("kind", INTERFACES)
def test_a_full_chain_is_added_checked_and_deleted(kind: str, world: World, tool: libcni.Tool) -> None:
    write_network(world, full_chain(kind))
    with nothing_left(world) as words:
        result = tool.run("add", "net", "pod", PORTS)
        words += [result["ips"][0]["address"].partition("/")[0], libcni.container_id("pod")]
        in_pod(world, "sh", "-c", WEB)
        assert fetch(world, f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
        assert in_pod(world, "sysctl", "-n", "net.core.somaxconn") == "512\n"
        tool.run("check", "net", "pod", PORTS)
        tool.run("del", "net", "pod", PORTS)


def test_check_sees_a_link_that_was_taken_away(world: World, tool: libcni.Tool) -> None:
    write_network(world, full_chain("bridge"))
    tool.run("add", "net", "pod", PORTS)
    in_pod(world, "ip", "link", "del", "eth0")
    assert tool.attempt("check", "net", "pod", PORTS).returncode != 0
    tool.run("del", "net", "pod", PORTS)


@pytest.mark.skipif(
    "PODWIRE_CLIENT_PLUGINS" in os.environ, reason="the reference's CHECK does not look at rules"
)
def test_check_sees_rules_that_were_flushed(world: World, tool: libcni.Tool) -> None:
    write_network(world, full_chain("bridge"))
    tool.run("add", "net", "pod", PORTS)
    world.run(["nft", "flush", "ruleset"])
    assert tool.attempt("check", "net", "pod", PORTS).returncode != 0
    tool.run("del", "net", "pod", PORTS)


def test_del_after_the_namespace_has_gone_leaves_nothing(world: World, tool: libcni.Tool) -> None:
    write_network(world, full_chain("bridge"))
    with nothing_left(world) as words:
        world.run(["ip", "netns", "add", "brief"])
        result = tool.run("add", "net", "brief", PORTS)
        words += [result["ips"][0]["address"].partition("/")[0], libcni.container_id("brief")]
        world.run(["ip", "netns", "del", "brief"])
        tool.run("del", "net", "brief", PORTS)


def test_loopback_comes_up_and_goes_down(world: World, tool: libcni.Tool) -> None:
    write_network(world, conflists.network("lo", {"type": "loopback"}))
    with nothing_left(world):
        tool.run("add", "lo", "pod", {"CNI_IFNAME": "lo"})
        assert "1 received" in in_pod(world, "ping", "-c1", "-W5", "127.0.0.1")
        tool.run("check", "lo", "pod", {"CNI_IFNAME": "lo"})
        tool.run("del", "lo", "pod", {"CNI_IFNAME": "lo"})
    (link,) = json.loads(in_pod(world, "ip", "-j", "link", "show", "lo"))
    assert "UP" not in link["flags"]
