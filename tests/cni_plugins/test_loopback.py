"""loopback: lo goes up, its result tells so, DEL takes it down."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.calls import Container, Plugins, run

CONFIG = {"cniVersion": "1.1.0", "name": "lo", "type": "loopback"}
OLD = {"cniVersion": "0.1.0", "name": "lo", "type": "loopback"}


def test_lo_is_up_and_told_of(container: Callable[..., Container], plugins: Plugins) -> None:
    one = container("one")
    run(["ip", "-n", "one", "link", "set", "lo", "down"])
    result = plugins.add(CONFIG, one)
    assert [ip["address"] for ip in result["ips"]] == ["127.0.0.1/8", "::1/128"]
    assert result["interfaces"][0]["mac"] == "00:00:00:00:00:00"
    assert one.pings("127.0.0.1")
    assert plugins.check(CONFIG, one, result) == ""


def test_del_takes_lo_down_and_check_sees_it(container: Callable[..., Container], plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(CONFIG, one)
    plugins.delete(CONFIG, one)
    assert "up is False" in plugins.check(CONFIG, one, result)
    plugins.delete(CONFIG, one, netns="")


def test_check_looks_for_the_addresses_of_the_result(
    container: Callable[..., Container], plugins: Plugins
) -> None:
    one = container("one")
    result = plugins.add(CONFIG, one)
    one.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    assert "127.0.0.1/8" in plugins.check(CONFIG, one, result)


def test_an_old_version_gets_its_form(container: Callable[..., Container], plugins: Plugins) -> None:
    result = plugins.add(OLD, container("one"))
    assert result["ip4"]["ip"] == "127.0.0.1/8" and result["cniVersion"] == "0.1.0"


def test_a_foreign_address_on_lo_is_refused(container: Callable[..., Container], plugins: Plugins) -> None:
    one = container("one")
    one.run("ip", "addr", "add", "10.0.0.1/32", "dev", "lo")
    assert "10.0.0.1/32" in plugins.fails("ADD", CONFIG, one)["msg"]


def test_a_chained_result_is_passed_on(container: Callable[..., Container], plugins: Plugins) -> None:
    previous = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.9/24"}]}
    result = plugins.add({**CONFIG, "prevResult": previous}, container("one"))
    assert json.dumps(result["ips"]) == json.dumps(previous["ips"])


def test_verbs_wait_for_their_version(container: Callable[..., Container], plugins: Plugins) -> None:
    error = plugins.fails("CHECK", OLD, container("one"))
    assert error["code"] == 1 and "does not support the CHECK command" in error["msg"]
    assert plugins.fails("GC", {**CONFIG, "cniVersion": "1.0.0"}, None)["code"] == 1


def test_the_plugins_own_namespace_is_refused_before_anything_happens(
    container: Callable[..., Container], plugins: Plugins
) -> None:
    one = container("one")
    error = plugins.ask("ADD", CONFIG, one, netns="/proc/self/ns/net")
    assert error.status == 1 and json.loads(error.stdout)["code"] == 4


def test_a_missing_namespace_is_an_error_of_the_environment(
    container: Callable[..., Container], plugins: Plugins
) -> None:
    error = plugins.ask("ADD", CONFIG, container("one"), netns="/run/netns/none")
    assert json.loads(error.stdout)["code"] == 4 and "CNI_NETNS" in error.stdout
