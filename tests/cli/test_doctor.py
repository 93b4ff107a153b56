"""`podwire doctor` says what `ip link add` and `nft` say, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from podwire.doctor import kernel_features
from tests.calls import dump
from tests.cli.conftest import Cli, run_as_nobody, said

pytestmark = pytest.mark.usefixtures("host")


def _verdicts(cli: Cli) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in said(cli("doctor", "-o", "json"))}


def _ip_can_make(*words: str) -> bool:
    command = ["ip", "link", "add", "probe9", *words]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return False
    subprocess.run(["ip", "link", "del", "probe9"], check=True)
    return True


LINKS = {
    "veth": ["type", "veth"],
    "bridge": ["type", "bridge"],
    "bridge VLAN filtering": ["type", "bridge", "vlan_filtering", "1"],
    "vxlan": ["type", "vxlan", "id", "1", "dstport", "8472"],
    "vxlan-gpe": ["type", "vxlan", "external", "gpe", "dstport", "4790"],
    "ifb": ["type", "ifb"],
    "dummy": ["type", "dummy"],
    "vrf": ["type", "vrf", "table", "10"],
    "wireguard": ["type", "wireguard"],
    "geneve": ["type", "geneve", "id", "1", "remote", "192.0.2.1"],
}


def test_links_are_judged_as_ip_judges_them(cli: Cli) -> None:
    verdicts = _verdicts(cli)

    for name, words in LINKS.items():
        assert (verdicts[name]["state"] == "fine") == _ip_can_make(*words), name


def test_what_is_not_there_comes_with_advice(cli: Cli) -> None:
    for verdict in _verdicts(cli).values():
        assert verdict["found"] and verdict["breaks"]
        assert (verdict["state"] == "fine") or verdict["advice"]


def test_the_doctor_changes_nothing(cli: Cli) -> None:
    before = dump()
    cli("doctor")

    assert dump() == before


def test_a_machine_that_cannot_work_is_status_1(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("doctor").exit_code == 0
    monkeypatch.setattr(
        kernel_features, "FILES", (("conntrack", "/proc/no/such", "NAT", "NF_CONNTRACK", True),)
    )
    result = cli("doctor")
    assert result.exit_code == 1 and "CONFIG_NF_CONNTRACK" in result.stdout


def test_installed_plugins_are_counted(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("podwire.doctor.software.PLUGIN_FOLDER", tmp_path)
    assert _verdicts(cli)["plugins"]["state"] == "lacking"

    cli("install", "--to", tmp_path)
    assert _verdicts(cli)["plugins"]["state"] == "fine"


def test_a_host_that_stops_pods_packets_is_status_3(cli: Cli) -> None:
    subprocess.run(["iptables", "-P", "FORWARD", "DROP"], check=True)
    result = cli("doctor", "-o", "json")

    assert result.exit_code == 3 and _states(result)["FORWARD policy"] == {"broken"}


def test_the_ports_to_try_can_be_chosen(cli: Cli) -> None:
    names = _states(cli("doctor", "--vxlan-port", "4789", "--gpe-port", "4799", "-o", "json"))

    assert {"UDP port 4789", "UDP port 4799"} <= set(names)


def test_an_ordinary_user_is_told_what_could_not_be_looked_at() -> None:
    done = run_as_nobody("doctor", "-o", "json")

    assert done.returncode == 1 and not done.stderr
    seen = {one["name"]: one for one in json.loads(done.stdout)}
    assert {seen[name]["state"] for name in ("UDP port 8472", "FORWARD policy")} == {"unseen"}
    assert seen["rights"]["state"] == "missing" and seen["rp_filter"]["state"] != "unseen"


def _states(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in said(result):
        found.setdefault(one["name"], set()).add(one["state"])
    return found


def test_what_is_fine_is_shown_to_those_who_ask(cli: Cli) -> None:
    short, long = cli("doctor"), cli("doctor", "--all")

    assert "\nveth " not in short.stdout and "things are fine" in short.stdout
    assert "\nveth " in long.stdout and "things are fine" not in long.stdout
