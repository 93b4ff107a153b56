"""Trouble on the machine: read-only sysctls, tools that are missing, a lock that is held."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import linuxnet.nft
from tests.calls import Container, Json, Plugins, dump, run

MakeContainer = Callable[..., Container]
BRIDGE: Json = {
    "cniVersion": "1.1.0",
    "name": "net1",
    "type": "bridge",
    "bridge": "pod0",
    "isGateway": True,
    "ipMasq": True,
    "ipam": {"type": "static", "addresses": [{"address": "10.88.0.5/24"}]},
}


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    """Return plugins whose IPAM is ours."""
    (tmp_path / "static").write_text("#!/bin/false\n# podwire plugin\n")
    return Plugins(path=str(tmp_path))


@pytest.fixture
def read_only_sysctls() -> Callable[[], None]:
    """Return what makes /proc/sys read-only, in a mount namespace that ends with this process's."""

    def make() -> None:
        run(["mount", "--bind", "/proc/sys", "/proc/sys"])
        run(["mount", "-o", "remount,ro,bind", "/proc/sys"])

    return make


def test_read_only_sysctls_matter_only_where_one_must_change(
    container: MakeContainer, plugins: Plugins, read_only_sysctls: Callable[[], None]
) -> None:
    one, two = container("one"), container("two")
    before = dump()
    try:
        read_only_sysctls()
        error = plugins.fails("ADD", BRIDGE, one)
        assert error["code"] == 101 and "/proc/sys/net" in error["msg"]
        assert [line for line in dump() - before if "mount" not in line] == []
        config = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
        plugins.add(config, two)
    finally:
        run(["umount", "/proc/sys"])


def test_without_libnftables_there_is_one_clear_error(
    container: MakeContainer, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = container("one")
    before = dump()
    monkeypatch.setattr(linuxnet.nft, "LIBRARY", "libnftables-is-missing.so.1")
    error = plugins.fails("ADD", BRIDGE, one)
    assert error["code"] == 107 and "install nftables" in error["msg"]
    assert dump() == before
    assert plugins.fails("STATUS", BRIDGE, None)["code"] == 50


def test_without_iptables_there_is_one_clear_error(
    container: MakeContainer, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = container("one")
    before = dump()
    monkeypatch.setattr("linuxnet.iptables.SEARCH_PATH", "/nonexistent")
    error = plugins.fails("ADD", BRIDGE | {"ipMasqBackend": "iptables"}, one)
    assert error["code"] == 107 and "install iptables" in error["msg"]
    assert dump() == before


def test_a_missing_ipam_plugin_is_named_with_the_path(container: MakeContainer, plugins: Plugins) -> None:
    error = plugins.fails("ADD", BRIDGE | {"ipam": {"type": "dhcp"}}, container("one"))
    assert error["code"] == 105 and "dhcp" in error["msg"] and plugins.path in error["msg"]


def test_an_ipam_plugin_that_says_nonsense_is_an_error_and_gets_its_del(
    container: MakeContainer, plugins: Plugins
) -> None:
    one = container("one")
    script = Path(plugins.path, "odd")
    script.write_text(
        f"#!/bin/sh\necho $CNI_COMMAND >> {plugins.path}/verbs\n[ $CNI_COMMAND = DEL ] || echo hello\n"
    )
    script.chmod(0o755)
    before = dump()
    error = plugins.fails("ADD", BRIDGE | {"ipam": {"type": "odd"}}, one)
    assert error["code"] == 6 and "odd" in error["msg"]
    assert dump() == before
    assert Path(plugins.path, "verbs").read_text().split() == ["ADD", "DEL"]


def test_an_error_of_a_foreign_ipam_plugin_is_passed_on(container: MakeContainer, plugins: Plugins) -> None:
    script = Path(plugins.path, "full")
    script.write_text('#!/bin/sh\necho \'{"code": 142, "msg": "no more", "details": "today"}\'; exit 1\n')
    script.chmod(0o755)
    error = plugins.fails("ADD", BRIDGE | {"ipam": {"type": "full"}}, container("one"))
    assert (error["code"], error["msg"]) == (142, "no more")


def test_very_long_ids_work(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    long = {"CNI_CONTAINERID": "x" * 600}
    plugins.environment = long
    config = BRIDGE | {"name": "n" * 200, "macspoofchk": True}
    result = plugins.add(config, one)
    assert plugins.check(config, one, result) == ""
    plugins.delete(config, one, netns="")
    assert "#" not in json.dumps(sorted(line for line in dump() if "element" in line))
