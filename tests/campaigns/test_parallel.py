"""Many at once: processes that attach, detach and fail side by side share a bridge and a rule set."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from tests.calls import Container, Json, Plugins, StoppingKernel, dump, ip_json, run

pytestmark = pytest.mark.campaign

CROWD = 24
COMMON = {"cniVersion": "1.1.0", "name": "crowd"}
BRIDGE: Json = COMMON | {
    "type": "bridge",
    "bridge": "pod0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "macspoofchk": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]]},
}


@pytest.fixture
def crowd(host: None, tmp_path: Path) -> Iterator[tuple[list[Container], Plugins]]:
    """Make many containers, and plugins whose IPAM is ours."""
    for name in PLUGIN_TYPES:
        (tmp_path / name).write_text("#!/bin/false\n# podwire plugin\n")
        load_plugin(name)
    names = [f"c{number}" for number in range(CROWD)]
    run(["sh", "-c", "; ".join(f"ip netns add {name}; ip -n {name} link set lo up" for name in names)])
    yield [Container(name) for name in names], Plugins(path=str(tmp_path))
    run(["sh", "-c", "; ".join(f"ip netns del {name}" for name in names)])


def at_once(tasks: list[Callable[[], bool]]) -> list[bool]:
    """Run each task in a process of its own, all started before any may begin; return which succeeded."""
    gate, opener = os.pipe()
    children = []
    for task in tasks:
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)  # ends when the parent closes its end
            os._exit(0 if task() else 1)
        children.append(child)
    os.close(opener)
    os.close(gate)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children]


def chain(plugins: Plugins, one: Container, verb: str, number: int) -> bool:
    """ADD or DEL bridge, portmap and firewall for one container."""
    ports = {"portMappings": [{"hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp"}]}
    meta: list[Json] = [COMMON | {"type": "portmap", "runtimeConfig": ports}, COMMON | {"type": "firewall"}]
    if verb == "DEL":
        return all(plugins.ask("DEL", body, one).status == 0 for body in [*reversed(meta), BRIDGE])
    given = plugins.ask("ADD", BRIDGE, one)
    for body in meta:
        if given.status == 0:
            given = plugins.ask("ADD", body | {"prevResult": json.loads(given.stdout)}, one)
    return given.status == 0


def test_a_crowd_attaches_and_detaches(crowd: tuple[list[Container], Plugins]) -> None:
    containers, plugins = crowd
    for _ in range(2):
        tasks = [lambda i=i, one=one: chain(plugins, one, "ADD", i) for i, one in enumerate(containers)]
        assert all(at_once(tasks))  # type: ignore[arg-type]
        addresses = [json.loads(one.run("ip", "-j", "-4", "addr", "show", "eth0"))[0] for one in containers]
        given = {link["addr_info"][0]["local"] for link in addresses}
        assert len(given) == CROWD
        assert all(containers[0].pings(address) for address in sorted(given)[:4])
        tasks = [lambda i=i, one=one: chain(plugins, one, "DEL", i) for i, one in enumerate(containers)]
        assert all(at_once(tasks))  # type: ignore[arg-type]
        assert [link["ifname"] for link in ip_json("link") if link["ifname"].startswith("veth")] == []
        left = [line for line in dump() if " c" in line and "element" in line]
        assert not left, left


def test_those_that_fail_do_not_disturb_those_that_succeed(crowd: tuple[list[Container], Plugins]) -> None:
    containers, plugins = crowd
    losers = {number: Plugins(path=plugins.path, kernel=lambda n=number: StoppingKernel(n)) for number in range(0, CROWD, 2)}  # type: ignore[misc] # fmt: skip # noqa: E501
    tasks = [
        lambda i=i, one=one: chain(losers.get(i, plugins), one, "ADD", i) for i, one in enumerate(containers)
    ]
    succeeded = at_once(tasks)  # type: ignore[arg-type]
    assert succeeded == [number % 2 == 1 for number in range(CROWD)]
    assert len([link for link in ip_json("link") if link.get("master") == "pod0"]) == CROWD // 2
    for number in (1, 3):
        assert containers[number].pings("10.88.0.1")
    winners = [one for number, one in enumerate(containers) if number % 2]
    assert all(at_once([lambda i=i, one=one: chain(plugins, one, "DEL", i) for i, one in enumerate(winners)]))  # type: ignore[misc] # fmt: skip


def test_one_attachment_is_deleted_by_many_at_once(crowd: tuple[list[Container], Plugins]) -> None:
    containers, plugins = crowd
    assert chain(plugins, containers[0], "ADD", 0)
    assert all(at_once([lambda: chain(plugins, containers[0], "DEL", 0)] * 8))
    assert not [link for link in ip_json("link") if link["ifname"].startswith("veth")]
