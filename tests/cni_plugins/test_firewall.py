"""firewall: packets are forwarded where the host would drop them; networks are kept apart on request."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.calls import Container, Json, Plugins, StoppingKernel, dump, run
from tests.firewalld_service import running_firewalld

MakeContainer = Callable[..., Container]
BACKENDS = ("nftables", "iptables")


def bridge(name: str, subnet: int) -> Json:
    """Return a bridge network of both families."""
    return {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "bridge",
        "bridge": f"{name}0",
        "isDefaultGateway": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": f"10.{subnet}.0.0/16"}], [{"subnet": f"fd00:{subnet}::/64"}]],
        },
    }


def firewall(network: str, result: Json, **keys: object) -> Json:
    """Return the plugin's configuration after the bridge's result."""
    return {"cniVersion": "1.0.0", "name": network, "type": "firewall", "prevResult": result, **keys}


def attach(plugins: Plugins, network: str, subnet: int, one: Container, **keys: object) -> list[str]:
    """Attach by bridge and firewall; return the addresses."""
    result = plugins.add(bridge(network, subnet), one)
    assert plugins.add(firewall(network, result, **keys), one) == result
    return [ip["address"].partition("/")[0] for ip in result["ips"]]


def test_a_host_that_drops_by_default_forwards_for_pods(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    run(["sh", "-c", "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"])
    attach(plugins, "foo", 81, one)
    addresses = attach(plugins, "bar", 82, two)
    assert all(one.pings(address) for address in addresses)
    assert "drops by default" in plugins.warnings[0]
    plugins.delete({"cniVersion": "1.0.0", "name": "bar", "type": "firewall"}, two, netns="")
    plugins.delete({"cniVersion": "1.0.0", "name": "foo", "type": "firewall"}, one, netns="")
    assert not any(one.pings(address) for address in addresses)


@pytest.mark.parametrize("backend", BACKENDS)
def test_same_bridge_keeps_networks_apart(container: MakeContainer, plugins: Plugins, backend: str) -> None:
    keys = {"ingressPolicy": "same-bridge", "backend": backend}
    one, two, other = container("one"), container("two"), container("other")
    attach(plugins, "foo", 81, one, **keys)
    neighbours = attach(plugins, "foo", 81, two, **keys)
    strangers = attach(plugins, "bar", 82, other, **keys)
    assert all(one.pings(address) for address in neighbours)
    assert not any(one.pings(address) for address in strangers)
    assert one.pings("10.81.0.1")


def test_isolated_containers_reach_the_host_alone(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    attach(plugins, "foo", 81, one, ingressPolicy="isolated")
    neighbours = attach(plugins, "foo", 81, two, ingressPolicy="isolated")
    assert not any(one.pings(address) for address in neighbours)
    assert one.pings("10.81.0.1") and one.pings("fd00:81::1")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", ["open", "same-bridge", "isolated"])
def test_del_without_result_removes_everything(
    container: MakeContainer, plugins: Plugins, backend: str, policy: str
) -> None:
    one, two = container("one"), container("two")
    attach(plugins, "foo", 81, two, backend=backend, ingressPolicy=policy)
    result = plugins.add(bridge("foo", 81), one)
    before = dump()
    plugins.add(firewall("foo", result, backend=backend, ingressPolicy=policy), one)
    assert dump() != before
    plugins.delete({"cniVersion": "1.0.0", "name": "foo", "type": "firewall"}, one, netns="")
    assert dump() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_sees_what_is_gone_and_makes_nothing(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one = container("one")
    result = plugins.add(bridge("foo", 81), one)
    config = firewall("foo", result, backend=backend, ingressPolicy="same-bridge")
    empty = dump()
    assert plugins.check(config, one, result) != ""
    assert dump() == empty
    plugins.add(config, one)
    assert plugins.check(config, one, result) == ""
    how = {
        "nftables": "nft flush set inet podwire restricted4",
        "iptables": "iptables -F CNI-ISOLATION-STAGE-1",
    }
    run(["sh", "-c", how[backend]])
    assert plugins.check(config, one, result) != ""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_at_any_step_leaves_everything_as_it_was(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one = container("one")
    result = plugins.add(bridge("foo", 81), one)
    config = firewall("foo", result, backend=backend, ingressPolicy="isolated")
    before = dump()
    for step in range(10):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", config, one)  # type: ignore[misc]
        if given.status == 0:
            assert step >= 1
            return
        assert dump() == before
    pytest.fail("the ADD never came to its end")


def test_gc_takes_back_what_is_not_listed(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    for backend in BACKENDS:
        attach(plugins, f"{backend[:3]}a", 81, one, backend=backend)
        result = plugins.add(bridge(f"{backend[:3]}a", 81), two)
        before = dump()
        config = firewall(f"{backend[:3]}a", result, backend=backend) | {"cniVersion": "1.1.0"}
        plugins.add(config, two)
        valid = [{"containerID": "one", "ifname": "eth0"}]
        assert plugins.ask("GC", config | {"cni.dev/valid-attachments": valid}, None).status == 0
        assert dump() == before
        for one_container in (one, two):
            plugins.delete(bridge(f"{backend[:3]}a", 81), one_container)


@pytest.fixture
def firewalld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Return a service that keeps sources as firewalld does."""
    with running_firewalld(tmp_path, monkeypatch) as service:
        yield service


def test_firewalld_is_told_where_it_runs(
    container: MakeContainer, plugins: Plugins, firewalld: subprocess.Popen[str]
) -> None:
    one = container("one")
    result = plugins.add(bridge("foo", 81), one)
    config = firewall("foo", result)
    assert "trusted" in plugins.check(config, one, result)
    plugins.add(config, one)
    assert firewalld.stdout is not None
    assert firewalld.stdout.readline() == "addSource trusted 10.81.0.2/32\n"
    assert firewalld.stdout.readline() == "addSource trusted fd00:81::2/128\n"
    assert plugins.check(config, one, result) == ""
    plugins.delete(config, one)
    assert firewalld.stdout.readline() == "removeSource trusted 10.81.0.2/32\n"
    assert plugins.check(config, one, result) != ""


def test_two_addresses_of_one_subnet_are_both_admitted(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    addresses = ["10.81.0.5/16", "10.81.0.6/16"]
    result = {"cniVersion": "1.0.0", "ips": [{"address": address} for address in addresses]}
    plugins.add(firewall("foo", result, backend="nftables"), one)
    assert all(f'"val": "{address.partition("/")[0]}"' in "".join(dump()) for address in addresses)


@pytest.mark.parametrize("backend", BACKENDS)
def test_check_bears_an_interface_that_came_later(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one = container("one")
    result = plugins.add(bridge("foo", 81), one)
    config = firewall("foo", result, backend=backend)
    plugins.add(config, one)
    interfaces = [*result["interfaces"], {"name": "later0", "sandbox": one.netns}]
    ips = [*result["ips"], {"address": "203.0.113.9/24", "interface": len(interfaces) - 1}]
    assert plugins.check(config, one, result | {"interfaces": interfaces, "ips": ips}) == ""
    run(["nft", "flush", "ruleset"])
    assert plugins.check(config, one, result) != ""
