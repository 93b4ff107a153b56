"""Chains of two projects: each plugin meets the other project's by exec, as the CNI specification says."""

from __future__ import annotations

import json

import pytest

from podwire.demo import conflists
from podwire.demo.plugin_folder import OUR_FOLDER, REFERENCE_FOLDER, choose, has_reference_plugins
from podwire.demo.world import World
from tests.clients import libcni
from tests.clients.harness import (
    BRIDGE,
    OUTSIDE_NETWORK,
    PLUGIN_TYPES,
    SUBNET,
    WEB,
    fetch,
    nothing_left,
    write_network,
)

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not has_reference_plugins(), reason="not installed: containernetworking-plugins"),
    pytest.mark.skipif(libcni.missing() is not None, reason=f"{libcni.missing()}"),
]

PORTS = {"CAP_ARGS": json.dumps({"portMappings": [conflists.PortMapping(8080, 80).to_json()]})}
THEIRS = str(REFERENCE_FOLDER)


@pytest.fixture
def tool(world: World) -> libcni.Tool:
    world.run(["ip", "netns", "add", "pod"])
    write_network(
        world,
        conflists.network(
            "net",
            conflists.bridge_plugin(BRIDGE, SUBNET) | {"ipMasq": False},  # theirs forgets its rules on DEL
            conflists.portmap_plugin(),
            conflists.FIREWALL,
            conflists.TUNING,
        ),
    )
    return libcni.Tool(world, libcni.build())


def origins_of(*ours: str) -> dict[str, str]:
    """Take the named plugins from us and every other from the reference."""
    return {name: OUR_FOLDER if name in ours else THEIRS for name in PLUGIN_TYPES}


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param(["bridge", "firewall", "tuning"], id="our-bridge-their-host-local-and-portmap"),
        pytest.param(["host-local", "portmap"], id="their-bridge-our-host-local-and-portmap"),
        pytest.param(["bridge"], id="only-our-bridge"),
        pytest.param(["bridge", "host-local"], id="our-bridge-and-host-local-their-chain"),
        pytest.param(["host-local"], id="only-our-host-local"),
        pytest.param(["portmap", "firewall", "tuning"], id="their-bridge-and-host-local-our-chain"),
    ],
)
def test_a_mixed_chain_works_and_leaves_nothing(ours: list[str], world: World, tool: libcni.Tool) -> None:
    choose(world, origins_of(*ours))
    with nothing_left(world) as words:
        result = tool.run("add", "net", "pod", PORTS)
        address = result["ips"][0]["address"].partition("/")[0]
        words += [address, libcni.container_id("pod")]
        assert [one["name"] for one in result["interfaces"]][::2] == [BRIDGE, "eth0"]
        world.run(["ip", "netns", "exec", "pod", "sh", "-c", WEB])
        assert fetch(world, f"http://{OUTSIDE_NETWORK}.1:8080") == "hello\n"
        # Theirs looks for IPv6 rules that an IPv4 mapping does not have, so its CHECK is spared the ports.
        tool.run("check", "net", "pod", PORTS if "portmap" in ours else None)
        tool.run("del", "net", "pod", PORTS)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_both_host_locals_share_one_pool(first: str, world: World, tool: libcni.Tool) -> None:
    order = [["host-local"], []] if first == "ours" else [[], ["host-local"]]
    world.run(["ip", "netns", "add", "pod2"])
    with nothing_left(world) as words:
        addresses = []
        for netns, ours in zip(("pod", "pod2"), order, strict=True):
            choose(world, origins_of(*ours))
            result = tool.run("add", "net", netns)
            addresses.append(result["ips"][0]["address"])
            words += [addresses[-1].partition("/")[0], libcni.container_id(netns)]
        assert addresses == ["10.99.0.2/24", "10.99.0.3/24"]
        for netns, ours in zip(("pod2", "pod"), order, strict=True):  # each given back by the other
            choose(world, origins_of(*ours))
            tool.run("del", "net", netns)


def test_our_del_clears_what_a_reference_add_has_made(world: World, tool: libcni.Tool) -> None:
    with nothing_left(world) as words:
        choose(world, origins_of())
        result = tool.run("add", "net", "pod", PORTS)
        words += [result["ips"][0]["address"].partition("/")[0], libcni.container_id("pod")]
        choose(world, origins_of(*PLUGIN_TYPES))
        tool.run("del", "net", "pod", PORTS)
