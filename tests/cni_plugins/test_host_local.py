"""host-local: the reference's behaviour, and what goes beyond it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cni_plugins.host_local.resolv_conf import parse_resolv_conf
from cni_spec.errors import (
    ADDRESSES_EXHAUSTED,
    ALREADY_ALLOCATED,
    INVALID_CONFIG,
    INVALID_ENVIRONMENT,
    LIMITED_CONNECTIVITY,
    NOT_AVAILABLE,
)
from tests.calls import Container, Json, Plugins
from tests.ipam_world import files

A, B = Container("a"), Container("b")
POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=db-0"


class Net:
    """A network's configuration, called through the plugin as a function."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "net"
        self.config: Json = {"cniVersion": "1.1.0", "name": "net", "type": "host-local"}
        self.ipam: Json = {"type": "host-local", "dataDir": str(folder)}

    def with_(self, *, cni_args: str = "", **changes: Any) -> tuple[Plugins, Json]:
        plugins = Plugins(environment={"CNI_ARGS": cni_args} if cni_args else {})
        top = {key: changes.pop(key) for key in ("runtimeConfig", "cniVersion") if key in changes}
        return plugins, self.config | {"ipam": self.ipam | changes} | top


@pytest.fixture
def net(tmp_path: Path) -> Net:
    return Net(tmp_path)


def addresses(result: Json) -> list[str]:
    return [ip["address"] for ip in result["ips"]]


def test_two_ranges_of_two_families(net: Net) -> None:
    plugins, config = net.with_(
        ranges=[[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]],
        routes=[{"dst": "0.0.0.0/0"}, {"dst": "192.0.2.0/24", "gw": "10.1.2.9", "mtu": 1400, "priority": 5}],
    )
    assert plugins.add(config, A) == {
        "cniVersion": "1.1.0",
        "ips": [
            {"address": "10.1.2.2/24", "gateway": "10.1.2.1"},
            {"address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"},
        ],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "192.0.2.0/24", "gw": "10.1.2.9", "mtu": 1400, "priority": 5},
        ],
    }
    assert files(net.path) == {"10.1.2.2": "a\r\neth0", "2001:db8:1::2": "a\r\neth0"}
    last = [(net.path / f"last_reserved_ip.{i}").read_text() for i in (0, 1)]
    assert last == ["10.1.2.2", "2001:db8:1::2"]
    plugins.delete(config, A)
    plugins.delete(config, A)
    assert files(net.path) == {}


def test_the_short_form_comes_behind_the_runtimes_ranges_and_before_the_lists(net: Net) -> None:
    plugins, config = net.with_(
        subnet="10.1.0.0/24", rangeStart="10.1.0.10", rangeEnd="10.1.0.20", gateway="10.1.0.254",
        ranges=[[{"subnet": "10.3.0.0/24"}]], runtimeConfig={"ipRanges": [[{"subnet": "10.0.0.0/24"}]]},
    )  # fmt: skip
    result = plugins.add(config, A)
    assert addresses(result) == ["10.0.0.2/24", "10.1.0.10/24", "10.3.0.2/24"]
    assert result["ips"][1]["gateway"] == "10.1.0.254"


def test_two_interfaces_of_one_container(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    second = Container("a", "net1")
    assert addresses(plugins.add(config, A)) + addresses(plugins.add(config, second)) == [
        "10.1.0.2/24",
        "10.1.0.3/24",
    ]
    plugins.delete(config, A)
    assert files(net.path) == {"10.1.0.3": "a\r\nnet1"}


def test_a_repeated_add_is_an_error_and_leaves_the_address(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    plugins.add(config, A)
    error = plugins.fails("ADD", config, A)
    assert error["code"] == ALREADY_ALLOCATED and "duplicate allocation is not allowed" in error["msg"]
    assert files(net.path) == {"10.1.0.2": "a\r\neth0"}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0"])
def test_every_version_of_the_specification(net: Net, version: str) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", cniVersion=version)
    result = plugins.add(config, A)
    assert result["cniVersion"] == version
    told = result["ip4"]["ip"] if version < "0.3" else result["ips"][0]["address"]
    assert told == "10.1.0.2/24"


def test_an_old_version_can_tell_one_address_a_family(net: Net) -> None:
    both = [[{"subnet": "10.1.0.0/24"}], [{"subnet": "2001:db8::/64"}]]
    plugins, config = net.with_(ranges=both, cniVersion="0.2.0")
    assert plugins.add(config, A)["ip6"]["ip"] == "2001:db8::2/64"
    plugins, config = net.with_(ranges=[*both, [{"subnet": "10.2.0.0/24"}]], cniVersion="0.2.0")
    assert "more than 1 address per family" in plugins.fails("ADD", config, B)["msg"]


@pytest.mark.parametrize(
    ("ipam", "complaint"),
    [
        ({}, "no IP ranges specified"),
        ({"subnet": "10.1.0.5/24"}, "host bits"),
        ({"subnet": "ten"}, "ipam.subnet"),
        ({"subnet": "10.1.0.0/24", "gateway": "10.9.0.1"}, "gateway 10.9.0.1"),
        ({"subnet": "10.1.0.0/24", "rangeEnd": "10.2.0.0"}, "rangeEnd 10.2.0.0"),
        ({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.0/16"}]]}, "overlap"),
        ({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "2001:db8::/64"}]]}, "mixed address families"),
        ({"ranges": [[]]}, "empty"),
        ({"subnet": "10.1.0.0/24", "dataDir": "relative"}, "absolute path"),
        ({"subnet": "10.1.0.0/24", "releaseCooldown": -1}, "releaseCooldown"),
        ({"subnet": "10.1.0.0/24", "sticky": 1}, "sticky"),
        ({"subnet": "10.1.0.0/24", "resolvConf": "/no/such"}, "resolvConf: /no/such: No such file"),
    ],
)
def test_nonsense_is_refused_before_anything_is_taken(net: Net, ipam: Json, complaint: str) -> None:
    plugins, config = net.with_(**ipam)
    error = plugins.fails("ADD", config, A)
    assert error["code"] == INVALID_CONFIG and complaint in error["msg"]
    assert not net.path.exists()


@pytest.mark.parametrize(
    ("args", "runtime", "cni_args", "expected"),
    [
        (["10.1.0.88"], [], "", "10.1.0.88/24 2001:db8::2/64"),
        (["10.1.0.88/24", "2001:db8::99"], [], "", "10.1.0.88/24 2001:db8::99/64"),
        ([], ["10.1.0.77/24"], "", "10.1.0.77/24 2001:db8::2/64"),
        ([], [], "IP=10.1.0.66", "10.1.0.66/24 2001:db8::2/64"),
        ([], [], "IP=10.1.0.66/24,2001:db8::5", "10.1.0.66/24 2001:db8::5/64"),
        (["2001:db8::99"], [], "IP=10.1.0.66", "10.1.0.66/24 2001:db8::99/64"),
        (["10.1.0.88"], [], "IP=10.1.0.66", "10.1.0.88/24 2001:db8::2/64"),
        (["10.1.0.88"], ["10.1.0.77"], "IP=2001:db8::5", "10.1.0.77/24 2001:db8::5/64"),
    ],
)
def test_requested_addresses_of_all_sources(
    net: Net, args: list[str], runtime: list[str], cni_args: str, expected: str
) -> None:
    plugins, config = net.with_(
        ranges=[[{"subnet": "10.1.0.0/24"}], [{"subnet": "2001:db8::/64"}]],
        cni_args=cni_args, runtimeConfig={"ips": runtime},
    )  # fmt: skip
    config["args"] = {"cni": {"ips": args}}
    assert addresses(plugins.add(config, A)) == expected.split()


def test_a_requested_address_that_cannot_be_had_takes_nothing(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", runtimeConfig={"ips": ["10.9.9.9"]})
    assert "failed to allocate all requested IPs: 10.9.9.9" in plugins.fails("ADD", config, A)["msg"]
    plugins, config = net.with_(subnet="10.1.0.0/24", cni_args="IP=10.1.0.x")
    assert plugins.fails("ADD", config, A)["code"] == INVALID_ENVIRONMENT
    assert files(net.path) == {}


def test_del_and_check_do_without_the_ranges_that_came_with_the_add(net: Net) -> None:
    plugins, config = net.with_(runtimeConfig={"ipRanges": [[{"subnet": "10.1.0.0/24"}]]})
    result = plugins.add(config, A)
    plugins, bare = net.with_()
    assert plugins.check(bare, A, result) == ""
    assert plugins.check(bare, B, result) == "no address is reserved for b eth0"
    plugins.delete(bare, A, netns="")
    assert files(net.path) == {}


def test_check_fails_where_another_address_is_held(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    result = plugins.add(config, A)
    assert plugins.check(config, A, result) == ""
    (net.path / "10.1.0.2").rename(net.path / "10.1.0.9")
    assert plugins.check(config, A, result) == "address 10.1.0.2 of a eth0 is reserved for nobody"


def test_del_needs_no_sense_in_the_ranges(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    plugins.add(config, A)
    plugins, broken = net.with_(subnet="10.1.0.3/24", gateway="192.0.2.1")
    plugins.delete(broken, A)
    assert files(net.path) == {}


def test_the_ends_of_small_networks_are_of_use(net: Net) -> None:
    plugins, config = net.with_(ranges=[[{"subnet": "10.1.0.0/31"}], [{"subnet": "2001:db8::7/128"}]])
    result = plugins.add(config, A)
    assert result["ips"] == [{"address": "10.1.0.0/31"}, {"address": "2001:db8::7/128"}]


def test_no_gateway_reserves_nothing(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", gateway="none", rangeStart="", rangeEnd="")
    assert plugins.add(config, A)["ips"] == [{"address": "10.1.0.1/24"}]


def test_excluded_addresses_are_not_given(net: Net) -> None:
    plugins, config = net.with_(
        ranges=[[{"subnet": "10.1.0.0/24", "exclude": ["10.1.0.4"]}]], exclude=["10.1.0.0/30", "10.1.0.5/32"]
    )
    assert addresses(plugins.add(config, A)) == ["10.1.0.6/24"]


def test_a_pod_gets_its_address_back_by_its_name(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", sticky=True, cni_args=POD)
    plugins.add(config, A)
    plugins.delete(config, A)
    other, unnamed = net.with_(subnet="10.1.0.0/24", sticky=True)
    assert addresses(other.add(unnamed, B)) == ["10.1.0.3/24"]
    assert "names the pod" in other.warnings[0]
    assert addresses(plugins.add(config, Container("a2"))) == ["10.1.0.2/24"]


def test_a_name_can_come_by_args(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", sticky=True)
    config["args"] = {"cni": {"stickyName": "db"}}
    plugins.add(config, A)
    plugins.delete(config, A)
    assert addresses(plugins.add(config, B)) == ["10.1.0.2/24"]


def test_a_full_pool_is_told_by_add_and_by_status(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", rangeEnd="10.1.0.3", releaseCooldown=600)
    assert plugins.ask("STATUS", config, None).status == 0
    plugins.add(config, A)
    plugins.add(config, B)
    error = plugins.fails("ADD", config, Container("c"))
    assert error["code"] == ADDRESSES_EXHAUSTED
    assert error["msg"] == "no IP addresses available in range set: 10.1.0.1-10.1.0.3"
    plugins.delete(config, B)
    error = plugins.fails("STATUS", config, None)
    told = "0 of 2 free, 1 taken, 1 cooling in 10.1.0.1-10.1.0.3"
    assert (error["code"], error["msg"]) == (NOT_AVAILABLE, f"no IP addresses available: {told}")
    assert error["details"] == told


def test_status_tells_of_a_gateway_that_somebody_holds(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    plugins.add(config, A)
    (net.path / "10.1.0.1").write_text("thief\r\neth0")
    error = plugins.fails("STATUS", config, None)
    assert (error["code"], error["msg"]) == (
        LIMITED_CONNECTIVITY,
        "gateway 10.1.0.1 is reserved for thief eth0",
    )


def test_status_tells_of_a_directory_that_is_none(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    net.path.write_text("a file")
    assert plugins.fails("STATUS", config, None)["code"] == NOT_AVAILABLE


def test_gc_gives_back_what_is_not_listed(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24")
    for container in (A, B, Container("c")):
        plugins.add(config, container)
    keep = [{"containerID": "b", "ifname": "eth0"}]
    assert plugins.ask("GC", config | {"cni.dev/valid-attachments": keep}, None).status == 0
    assert files(net.path) == {"10.1.0.3": "b\r\neth0"}
    assert plugins.ask("GC", config, None).status == 0, "no list: nothing is known to be stale"
    assert files(net.path) == {"10.1.0.3": "b\r\neth0"}
    assert plugins.ask("GC", config | {"cni.dev/valid-attachments": []}, None).status == 0
    assert files(net.path) == {}


def test_resolv_conf_becomes_dns(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# comment\nnameserver 192.0.2.1\nnameserver 2001:db8::1\ndomain example.com\n"
                    "search a.example b.example\noptions ndots:5 edns0\nsortlist x\n")  # fmt: skip
    plugins, config = net.with_(subnet="10.1.0.0/24", resolvConf=str(path))
    assert plugins.add(config, A)["dns"] == {
        "nameservers": ["192.0.2.1", "2001:db8::1"],
        "domain": "example.com",
        "search": ["a.example", "b.example"],
        "options": ["ndots:5", "edns0"],
    }


def test_an_empty_resolv_conf_says_nothing() -> None:
    assert parse_resolv_conf("\n;\n# nameserver 192.0.2.1\nnameserver\n").is_empty()


def test_the_callers_keys_are_not_remarked_upon_but_unknown_ipam_keys_are(net: Net) -> None:
    plugins, config = net.with_(subnet="10.1.0.0/24", rangestart="10.1.0.9", colour="red")
    plugins.add(config | {"bridge": "cni0", "runtimeConfig": {"portMappings": []}}, A)
    assert sorted(plugins.warnings) == [
        'key "ipam.rangestart" is taken as "rangeStart"',
        'unknown key "ipam.colour" is ignored',
    ]
    assert sorted(files(net.path)) == ["10.1.0.9"]


def test_an_add_whose_result_cannot_be_told_gives_its_address_back(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins, config = net.with_(ranges=[[{"subnet": "10.1.0.0/24"}]], routes=[{"dst": "0.0.0.0/0"}])
    monkeypatch.setattr("cni_spec.result.Result.to_json", lambda *_: json.loads("not JSON"))
    plugins.fails("ADD", config, A)
    assert files(net.path) == {}
