"""tuning: sysctls and link attributes are set, told of, checked, and put back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cni_plugins.tuning.config import check_allowed, sysctl_path
from cni_spec.errors import CniError
from tests.calls import REFERENCE_PLUGINS, Container, Json, Plugins, StoppingKernel, dump, run

MakeContainer = Callable[..., Container]
BRIDGE: Json = {"cniVersion": "1.0.0", "name": "net1", "type": "bridge", "bridge": "pod0"}
ALL: Json = {
    "mac": "02:00:00:00:00:77",
    "promisc": True,
    "mtu": 1300,
    "allmulti": True,
    "txQLen": 777,
    "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1", "net/core/somaxconn": "500"},
}


def tuning(result: Json, **keys: object) -> Json:
    """Return the plugin's configuration after the bridge's result."""
    return {"cniVersion": "1.0.0", "name": "net1", "type": "tuning", "prevResult": result, **keys}


def link_of(one: Container) -> Json:
    """Return the container's link as `ip -j` shows it."""
    link: Json = json.loads(one.run("ip", "-d", "-j", "link", "show", one.ifname))[0]
    return link


def test_everything_is_set_told_of_and_put_back(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    before = link_of(one)
    config = tuning(result, **ALL)
    tuned = plugins.add(config, one)
    now = link_of(one)
    assert (now["address"], now["mtu"], now["txqlen"]) == ("02:00:00:00:00:77", 1300, 777)
    assert now["promiscuity"] == 1 and "ALLMULTI" in now["flags"]
    assert one.run("cat", "/proc/sys/net/core/somaxconn") == "500\n"
    assert tuned["interfaces"][2]["mac"] == "02:00:00:00:00:77"
    assert plugins.check(config, one, tuned) == ""
    plugins.delete(config, one)
    after = link_of(one)
    assert {k: after[k] for k in ("address", "mtu", "txqlen", "flags")} == {
        k: before[k] for k in ("address", "mtu", "txqlen", "flags")
    }
    assert not list(Path("/run/cni/tuning").iterdir())
    plugins.delete(config, one, netns="")


BROKEN = {
    "mac": "ip link set eth0 address 02:00:00:00:00:78",
    "promisc": "ip link set eth0 promisc off",
    "mtu": "ip link set eth0 mtu 1400",
    "allmulti": "ip link set eth0 allmulticast off",
    "txqlen": "ip link set eth0 txqueuelen 778",
    "arp_filter": "sysctl -qw net.ipv4.conf.eth0.arp_filter=0",
}


@pytest.mark.parametrize("what", BROKEN)
def test_check_names_what_differs(container: MakeContainer, plugins: Plugins, what: str) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    config = tuning(result, **ALL)
    plugins.add(config, one)
    one.run("sh", "-c", BROKEN[what])
    assert what in plugins.check(config, one, result)


def test_a_fault_at_any_step_leaves_everything_as_it_was(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    config = tuning(plugins.add(BRIDGE, one), **ALL)
    before, inner = dump(), link_of(one)
    for step in range(20):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", config, one)  # type: ignore[misc]
        if given.status == 0:
            assert step == 7
            return
        assert (dump(), link_of(one)) == (before, inner)
        assert one.run("cat", "/proc/sys/net/ipv4/conf/eth0/arp_filter") == "0\n"
    pytest.fail("the ADD never came to its end")


def test_args_alone_are_enough_and_go_before_all_others(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    args = {"cni": {"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mac": "02:00:00:00:00:01"}}
    plugins.environment = {"CNI_ARGS": "IgnoreUnknown=1;MAC=02:00:00:00:00:03"}
    plugins.add(tuning(result, args=args, runtimeConfig={"mac": "02:00:00:00:00:02"}), one)
    assert link_of(one)["address"] == "02:00:00:00:00:01"
    plugins.add(tuning(result, runtimeConfig={"mac": "02:00:00:00:00:02"}), one)
    assert link_of(one)["address"] == "02:00:00:00:00:02"
    plugins.add(tuning(result, mac="02:00:00:00:00:04"), one)
    assert link_of(one)["address"] == "02:00:00:00:00:03"


@pytest.mark.parametrize(
    "key", ["kernel.hostname", "net", "net/../kernel/hostname", "net..core", "net/./core/x"]
)
def test_sysctls_outside_of_net_are_refused(container: MakeContainer, plugins: Plugins, key: str) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    assert plugins.fails("ADD", tuning(result, sysctl={key: "1"}), one)["code"] == 7


def test_an_interface_name_with_a_dot_is_one_part() -> None:
    assert sysctl_path("net.ipv4.conf.IFNAME.arp_filter", "eth0.100") == "ipv4/conf/eth0.100/arp_filter"
    assert sysctl_path("net/ipv4/conf/eth0.100/arp_filter", "x") == "ipv4/conf/eth0.100/arp_filter"


def test_the_allow_list_is_regular_expressions_anywhere_in_the_key(tmp_path: Path) -> None:
    allow_list = tmp_path / "allowlist.conf"
    check_allowed({"net.core.somaxconn": "1"}, allow_list)
    allow_list.write_text("^net.ipv4\\.conf\nsomax\n")
    check_allowed({"net.core.somaxconn": "1", "net.ipv4.conf.all.rp_filter": "0"}, allow_list)
    with pytest.raises(CniError, match="allow list"):
        check_allowed({"net.core.rmem_max": "1"}, allow_list)
    allow_list.write_text("(")
    with pytest.raises(CniError, match="cannot be used"):
        check_allowed({"net.core.rmem_max": "1"}, allow_list)


def test_gc_removes_the_backups_of_who_is_not_listed(container: MakeContainer, plugins: Plugins) -> None:
    names = ("kept", "stale")
    for name in names:
        one = container(name)
        plugins.add(tuning(plugins.add(BRIDGE, one), mtu=1300), one)
    config = tuning({}, mtu=1300) | {"cniVersion": "1.1.0"}
    valid = [{"containerID": "kept", "ifname": "eth0"}]
    assert plugins.ask("GC", config | {"cni.dev/valid-attachments": valid}, None).status == 0
    assert [path.name for path in Path("/run/cni/tuning").iterdir()] == ["kept_eth0.json"]


@pytest.mark.skipif(
    not (REFERENCE_PLUGINS / "tuning").exists(), reason="containernetworking-plugins is missing"
)
def test_the_reference_puts_back_what_ours_changed(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    before = link_of(one)["mtu"]
    config = tuning(result, mtu=1300, txQLen=500)
    plugins.add(config, one)
    variables = f"CNI_COMMAND=DEL CNI_CONTAINERID=one CNI_IFNAME=eth0 CNI_NETNS={one.netns} CNI_PATH=/x"
    run(["sh", "-c", f"echo '{json.dumps(config)}' | {variables} {REFERENCE_PLUGINS}/tuning"])
    assert link_of(one)["mtu"] == before
