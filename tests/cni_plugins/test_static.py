"""static: what is configured is what is given."""

from __future__ import annotations

import json

import pytest

from cni_spec.errors import INVALID_CONFIG, INVALID_ENVIRONMENT
from tests.calls import Container, Json, Plugins

A = Container("a")
BOTH = [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}, {"address": "2001:db8::5/64"}]


def config(**ipam: object) -> Json:
    return {"cniVersion": "1.1.0", "name": "net", "type": "static", "ipam": {"type": "static", **ipam}}


def called_with(cni_args: str) -> Plugins:
    return Plugins(environment={"CNI_ARGS": cni_args})


def given(result: Json) -> list[tuple[str, str]]:
    return [(ip["address"], ip.get("gateway", "")) for ip in result["ips"]]


def test_addresses_routes_and_dns_are_given_as_configured() -> None:
    dns = {"nameservers": ["192.0.2.53"], "domain": "example.com"}
    result = Plugins().add(config(addresses=BOTH, routes=[{"dst": "0.0.0.0/0"}], dns=dns), A)
    assert result == {
        "cniVersion": "1.1.0",
        "ips": BOTH,
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": dns,
    }


def test_the_runtimes_addresses_replace_those_of_args_and_these_the_configured() -> None:
    wanted = config(addresses=BOTH) | {"args": {"cni": {"ips": ["10.10.0.7/24"]}}}
    assert given(Plugins().add(wanted, A)) == [("10.10.0.7/24", "")]
    wanted["runtimeConfig"] = {"ips": ["10.10.0.8/24", "2001:db8::8/64"], "mac": "02:00:00:00:00:01"}
    assert given(Plugins().add(wanted, A)) == [("10.10.0.8/24", ""), ("2001:db8::8/64", "")]


def test_cni_args_add_addresses_and_gateways() -> None:
    plugins = called_with("IP=10.10.1.2/24,2001:db8:1::2/64;GATEWAY=10.10.1.1,2001:db8:1::1")
    assert given(plugins.add(config(addresses=BOTH), A)) == [
        ("10.10.0.1/24", "10.10.0.254"),
        ("2001:db8::5/64", ""),
        ("10.10.1.2/24", "10.10.1.1"),
        ("2001:db8:1::2/64", "2001:db8:1::1"),
    ]


@pytest.mark.parametrize("cni_args", ["IP=10.0.0.1", "IP=10.0.0.1/33", "IP=a/8", "GATEWAY=10.0.0.0/8"])
def test_cni_args_that_are_no_addresses_are_refused(cni_args: str) -> None:
    assert called_with(cni_args).fails("ADD", config(addresses=BOTH), A)["code"] == INVALID_ENVIRONMENT


@pytest.mark.parametrize(
    ("addresses", "complaint"),
    [
        ([{"address": "10.0.0.1"}], "prefix length"),
        ([{"address": "10.0.0.1/24", "gateway": "2001:db8::1"}], "family"),
        ([{"address": "10.0.0.1/24"}, {"address": "10.0.0.1/16"}], "named 2 times"),
        ([{}], "address"),
    ],
)
def test_nonsense_is_refused(addresses: list[Json], complaint: str) -> None:
    error = Plugins().fails("ADD", config(addresses=addresses), A)
    assert error["code"] == INVALID_CONFIG and complaint in error["msg"]


def test_an_old_version_can_tell_one_address_a_family() -> None:
    wanted = config(addresses=BOTH) | {"cniVersion": "0.2.0"}
    assert Plugins().add(wanted, A)["ip6"]["ip"] == "2001:db8::5/64"
    wanted["ipam"]["addresses"] = [*BOTH, {"address": "10.10.1.1/24"}]
    assert "more than 1 address per family" in Plugins().fails("ADD", wanted, A)["msg"]


def test_without_addresses_there_are_none_in_the_result() -> None:
    assert json.loads(Plugins().ask("ADD", config(), A).stdout) == {"cniVersion": "1.1.0"}


def test_check_wants_every_address_and_its_gateway() -> None:
    plugins, wanted = Plugins(), config(addresses=BOTH)
    result = plugins.add(wanted, A)
    assert plugins.check(wanted, A, result) == ""
    without = result | {"ips": result["ips"][1:]}
    complaint = "address 10.10.0.1/24 is configured, and missing in the result"
    assert plugins.check(wanted, A, without) == complaint
    moved = result | {"ips": [{"address": "10.10.0.1/24", "gateway": "10.10.0.253"}, result["ips"][1]]}
    assert "gateway 10.10.0.254, came 10.10.0.253" in plugins.check(wanted, A, moved)


def test_del_gc_and_status_have_nothing_to_do() -> None:
    plugins, wanted = Plugins(), config(addresses=BOTH)
    plugins.delete(wanted, A, netns="")
    plugins.delete(wanted, A, netns="")
    assert plugins.ask("STATUS", wanted, None).status == 0
    assert plugins.ask("GC", wanted | {"cni.dev/valid-attachments": []}, None).status == 0
