"""ptp: a container reaches the host and, through it, others; nothing is left by DEL."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.calls import Container, Json, Plugins, StoppingKernel, dump, ip_json, run

MakeContainer = Callable[..., Container]

CONFIG: Json = {
    "cniVersion": "1.0.0",
    "name": "net1",
    "type": "ptp",
    "ipMasq": True,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "10.87.0.0/24"}], [{"subnet": "fd87::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    },
}


def test_containers_reach_the_host_and_each_other(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    plugins.add(CONFIG, one)
    result = plugins.add(CONFIG, two)
    for address in ("10.87.0.1", "fd87::1", *(ip["address"].partition("/")[0] for ip in result["ips"])):
        assert one.pings(address), address
    assert [one["name"] for one in result["interfaces"]][1] == "eth0"


def test_check_passes_and_sees_the_host_route_go(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(CONFIG, one)
    assert plugins.check(CONFIG, one, result) == ""
    run(["ip", "route", "del", "10.87.0.2"])
    assert "10.87.0.2" in plugins.check(CONFIG, one, result)


def test_del_without_namespace_leaves_nothing(container: MakeContainer, plugins: Plugins) -> None:
    plugins.add(CONFIG, container("one"))
    plugins.delete(CONFIG, Container("one"))
    clean = {line for line in dump() if "last_reserved" not in line}
    plugins.add(CONFIG, container("one"))
    plugins.delete(CONFIG, Container("one"), netns="")
    assert {line for line in dump() if "last_reserved" not in line} == clean


def test_a_fault_at_any_step_leaves_everything_as_it_was(container: MakeContainer) -> None:
    one = container("one")
    before = {line for line in dump() if "/net1/l" not in line}
    for step in range(60):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", CONFIG, one)  # type: ignore[misc]
        if given.status == 0:
            assert step > 15
            return
        assert "could not take back" not in given.stdout, given.stdout
        assert {line for line in dump() if "/net1/l" not in line} == before, given.stdout
    pytest.fail("the ADD never came to its end")


def test_a_single_address_gets_a_gateway_of_the_links_own(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    ipam = {"type": "static", "addresses": [{"address": "10.86.0.9/32"}], "routes": [{"dst": "0.0.0.0/0"}]}
    config = CONFIG | {"ipam": ipam}
    result = plugins.add(config, one)
    assert result["ips"][0]["gateway"] == "169.254.1.1"
    run(["sh", "-c", "ip addr add 192.0.2.1/32 dev lo"])
    assert one.pings("192.0.2.1")
    assert plugins.check(config, one, result) == ""
    assert json.loads(one.run("ip", "-j", "addr", "show", "eth0"))[0]["addr_info"][0]["prefixlen"] == 32
    plugins.delete(config, one)
    assert ip_json("route") == []


def test_an_ipam_section_is_required(container: MakeContainer, plugins: Plugins) -> None:
    config = {key: value for key, value in CONFIG.items() if key != "ipam"}
    assert plugins.fails("ADD", config, container("one"))["code"] == 7
