"""bridge: what an ADD makes, what DEL leaves, what CHECK sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.calls import Container, Json, Plugins, StoppingKernel, dump, ip_json, run

MakeContainer = Callable[..., Container]

IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "fd88::/64"}]]}
CONFIG: Json = {
    "cniVersion": "1.0.0",
    "name": "net1",
    "type": "bridge",
    "bridge": "pod0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "ipam": IPAM,
}


def test_two_containers_reach_each_other_and_the_gateway(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    plugins.add(CONFIG, one)
    result = plugins.add(CONFIG, two)
    addresses = [ip["address"].partition("/")[0] for ip in result["ips"]]
    assert all(one.pings(address) for address in addresses)
    assert one.pings("10.88.0.1") and one.pings("fd88::1")


def test_the_result_tells_what_the_kernel_shows(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(CONFIG | {"mtu": 1380}, one)
    bridge, outer, inner = result["interfaces"]
    seen = json.loads(one.run("ip", "-j", "addr", "show", "eth0"))[0]
    assert (bridge["name"], inner["sandbox"]) == ("pod0", one.netns)
    assert inner["mac"] == seen["address"] and seen["mtu"] == 1380
    assert ip_json("link", "show", outer["name"])[0]["master"] == "pod0"
    inside = {f"{a['local']}/{a['prefixlen']}" for a in seen["addr_info"] if a["scope"] == "global"}
    assert inside == {ip["address"] for ip in result["ips"]}
    assert all(ip["interface"] == 2 for ip in result["ips"])


def test_the_mtu_is_the_uplinks_where_nobody_says(container: MakeContainer, plugins: Plugins) -> None:
    run(
        [
            "sh",
            "-c",
            "ip link add up0 mtu 1342 type veth peer name up1; ip link set up0 up; ip link set up1 up",
        ]
    )
    run(["sh", "-c", "ip addr add 192.0.2.1/24 dev up0; ip route add default via 192.0.2.2"])
    config = CONFIG | {"cniVersion": "1.1.0", "ipam": {}}
    result = plugins.add(config, container("one"))
    assert [one["mtu"] for one in result["interfaces"]] == [1342] * 3


def test_ipv6_addresses_can_be_used_at_once(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    plugins.add(CONFIG, one)
    seen = json.loads(one.run("ip", "-j", "-6", "addr", "show", "eth0"))[0]["addr_info"]
    assert all(not address.get("tentative") for address in seen if address["scope"] == "global")


def test_enabledad_waits_for_detection_and_refuses_a_duplicate(
    container: MakeContainer, plugins: Plugins
) -> None:
    one, two = container("one"), container("two")
    ipam = {"type": "host-local", "subnet": "fd88::/64"}
    config = CONFIG | {"enabledad": True, "ipam": ipam}
    result = plugins.add(config, one)
    seen = json.loads(one.run("ip", "-j", "-6", "addr", "show", "eth0"))[0]["addr_info"]
    assert not any(address.get("tentative") for address in seen)
    assert plugins.check(config, one, result) == ""
    one.run("ip", "addr", "add", "fd88::3/64", "dev", "eth0", "nodad")
    assert "duplicate" in plugins.fails("ADD", config, two)["msg"]


def test_an_existing_interface_is_refused_and_left_alone(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    plugins.add(CONFIG, one)
    before = dump()
    error = plugins.fails("ADD", CONFIG, one)
    assert error["code"] == 100 and "eth0" in error["msg"]
    assert dump() == before


@pytest.mark.parametrize("netns", ["", "/run/netns/gone"])
def test_del_needs_nothing_but_the_ids(container: MakeContainer, plugins: Plugins, netns: str) -> None:
    plugins.add(CONFIG, container("one"))
    plugins.delete(CONFIG, Container("one"))
    clean = dump()
    plugins.add(CONFIG | {"macspoofchk": True}, container("one"))
    plugins.delete(CONFIG | {"bridge": "other0"}, Container("one"), netns)
    assert _without_round_robin(dump()) == _without_round_robin(clean)


def test_del_twice_is_quiet(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    plugins.add(CONFIG, one)
    plugins.delete(CONFIG, one)
    plugins.delete(CONFIG, one)


def test_two_interfaces_of_one_container_do_not_disturb_each_other(
    container: MakeContainer, plugins: Plugins
) -> None:
    first, second = container("one"), container("one", "eth1")
    for backend in ("nftables", "iptables"):
        config = CONFIG | {"ipMasqBackend": backend}
        result = plugins.add(config, first)
        plugins.add(config | {"isDefaultGateway": False}, second)
        plugins.delete(config, second)
        assert plugins.check(config, first, result) == ""
        plugins.delete(config, first)


def test_a_fault_at_any_step_leaves_everything_as_it_was(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    config = CONFIG | {"macspoofchk": True, "hairpinMode": True, "portIsolation": True}
    inner = one.run("ip", "-j", "addr")
    before = _without_round_robin(dump())
    for step in range(60):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", config, one)  # type: ignore[misc]
        if given.status == 0:
            assert step > 15
            return
        assert "could not take back" not in given.stdout, given.stdout
        assert _without_round_robin(dump()) == before, given.stdout
        assert one.run("ip", "-j", "addr") == inner
    pytest.fail("the ADD never came to its end")


BROKEN = {
    "the address": "ip -n one addr del 10.88.0.{n}/16 dev eth0",
    "the default route": "ip -n one route del default",
    "the container's link": "ip -n one link set eth0 down",
    "the host's link": "ip link set {veth} nomaster",
    "the gateway's address": "ip addr del 10.88.0.1/16 dev pod0",
    "the bridge": "ip link set pod0 down",
    "forwarding": "sysctl -qw net.ipv4.ip_forward=0",
    "hairpin": "bridge link set dev {veth} hairpin off",
    "isolation": "bridge link set dev {veth} isolated off",
    "masquerading": "nft flush set inet podwire masquerade4",
    "the nft table": "nft delete table inet podwire",
    "the spoof check": "nft flush set bridge podwire port_mac",
    "the spoof rules": "nft delete table bridge podwire",
    "the MAC address": "ip -n one link set eth0 address 02:00:00:00:00:99",
    "the owner's mark": "ip link set {veth} alias other",
}


@pytest.mark.parametrize("what", BROKEN)
def test_check_notices_what_is_gone(container: MakeContainer, plugins: Plugins, what: str) -> None:
    one = container("one")
    config = CONFIG | {"macspoofchk": True, "hairpinMode": True, "portIsolation": True}
    result = plugins.add(config, one)
    assert plugins.check(config, one, result) == ""
    number = result["ips"][0]["address"].partition("/")[0].rpartition(".")[2]
    run(["sh", "-c", BROKEN[what].format(veth=result["interfaces"][1]["name"], n=number)])
    broken = dump()
    assert plugins.check(config, one, result) != ""
    assert dump() == broken


def test_one_family_alone_can_be_masqueraded(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    for asked, other in (("v4", "masquerade6"), ("v6", "masquerade4")):
        config = CONFIG | {"ipMasq": asked}
        result = plugins.add(config, one)
        elements = [line for line in dump() if "element of inet podwire masquerade" in line]
        assert len(elements) == 1 and other not in elements[0]
        assert plugins.check(config, one, result) == ""
        plugins.delete(config, one)
    assert plugins.fails("ADD", CONFIG | {"ipMasq": "v5"}, one)["code"] == 7


def test_routes_carry_what_the_pool_says_of_them(container: MakeContainer, tmp_path: Path) -> None:
    one = container("one")
    route = {"dst": "10.99.0.0/16", "mtu": 1300, "advmss": 1200, "priority": 77, "table": 100}
    ipam = {"type": "static", "addresses": [{"address": "10.88.0.5/16"}], "routes": [route]}
    config = CONFIG | {"cniVersion": "1.1.0", "ipam": ipam}
    (tmp_path / "static").write_text("#!/bin/false\n# podwire plugin\n")
    here = str(tmp_path)
    result = Plugins(path=here).add(config, one)
    (seen,) = json.loads(one.run("ip", "-j", "route", "show", "table", "100"))
    assert (seen["metric"], seen["metrics"]) == (77, [{"mtu": 1300, "advmss": 1200}])
    assert Plugins(path=here).check(config, one, result) == ""
    one.run("ip", "route", "change", "10.99.0.0/16", "via", "10.88.0.1", "table", "100", "metric", "77")
    assert "10.99.0.0/16" in Plugins(path=here).check(config, one, result)


def test_an_l2_bridge_passes_check(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    config = {"cniVersion": "1.0.0", "name": "l2", "type": "bridge", "bridge": "pod0"}
    assert plugins.check(config, one, plugins.add(config, one)) == ""


def test_gc_removes_what_is_not_listed_and_nothing_else(container: MakeContainer, plugins: Plugins) -> None:
    config = CONFIG | {"cniVersion": "1.1.0", "macspoofchk": True, "ipam": {}, "isDefaultGateway": False}
    kept, stale, foreign = container("kept"), container("stale"), container("foreign")
    result = plugins.add(config, kept)
    plugins.add(config | {"name": "net2"}, foreign)
    before = dump()
    plugins.add(config, stale)
    valid = [{"containerID": "kept", "ifname": "eth0"}]
    assert plugins.ask("GC", config | {"cni.dev/valid-attachments": valid}, None).status == 0
    assert dump() == before
    assert plugins.check(config, kept, result) == ""


def test_gc_without_a_list_does_nothing(container: MakeContainer, plugins: Plugins) -> None:
    config = CONFIG | {"cniVersion": "1.1.0", "ipam": {}, "isDefaultGateway": False}
    plugins.add(config, container("one"))
    before = dump()
    assert plugins.ask("GC", config, None).status == 0
    assert dump() == before and "nothing is removed" in plugins.warnings[-1]


def test_another_gateway_on_the_bridge_is_refused_or_replaced(
    container: MakeContainer, plugins: Plugins
) -> None:
    run(["sh", "-c", "ip link add pod0 type bridge; ip addr add 10.99.0.1/24 dev pod0"])
    before = _without_round_robin(dump())
    one = container("one")
    assert "10.99.0.1/24" in plugins.fails("ADD", CONFIG, one)["msg"]
    assert _without_round_robin(dump()) == before | {
        line for line in dump() if "netns" in line and "one" in line
    }
    plugins.add(CONFIG | {"forceAddress": True}, one)
    seen = {a["local"] for a in ip_json("addr", "show", "pod0")[0]["addr_info"] if a["scope"] == "global"}
    assert seen == {"10.88.0.1", "fd88::1"}


def test_vlans_are_refused_by_a_kernel_without_them_and_nothing_is_left(
    container: MakeContainer, plugins: Plugins
) -> None:
    one = container("one")
    before = dump()
    given = plugins.ask("ADD", {**CONFIG, "ipam": {}, "isDefaultGateway": False, "vlan": 100}, one)
    if given.status == 0:
        vlans = json.loads(run(["bridge", "-j", "vlan", "show"]))
        assert any(v["vlan"] == 100 for port in vlans for v in port["vlans"])
        return
    assert dump() == before


def _without_round_robin(seen: frozenset[str]) -> frozenset[str]:
    return frozenset(line for line in seen if "/net1/l" not in line)  # last_reserved_ip.N and lock
