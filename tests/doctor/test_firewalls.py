"""Chains that drop what is forwarded: iptables of both kinds, Docker's, foreign nft tables; ufw."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from linuxnet.firewalld import ZoneSource
from linuxnet.kernel import Kernel
from podwire.doctor.cluster import Cluster
from podwire.doctor.firewalls import look_at_firewalld, look_at_forward_chains, look_at_ufw
from podwire.doctor.host_files import HostFiles
from podwire.doctor.verdict import State, Verdict
from tests.calls import run
from tests.doctor.looks import CLUSTER, mend, worst
from tests.firewalld_service import running_firewalld

pytestmark = pytest.mark.usefixtures("host")

CHAIN = (
    "add table inet strict; add chain inet strict fw { type filter hook forward priority 5; policy drop; }"
)


def _look() -> Verdict:
    return worst(look_at_forward_chains(CLUSTER))


def _accepts(*rules: str) -> None:
    for rule in rules:
        run(rule.split())


@pytest.mark.parametrize("tool", ["iptables-nft", "iptables-legacy"])
def test_a_forward_policy_of_drop_is_found_and_mended(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} on this machine")
    _accepts(f"{tool} -P FORWARD DROP")
    verdict = _look()
    assert verdict.state is State.BROKEN and "10.244.0.0/16" in verdict.advice
    assert ("legacy" in verdict.advice) == ("legacy" in tool)

    mend(verdict)
    assert _look().state is State.FINE
    assert "-s 10.244.0.0/16 -j ACCEPT" in run([tool, "-S"])


def test_docker_keeps_a_chain_for_the_hosts_owner() -> None:
    _accepts(
        "iptables-nft -P FORWARD DROP",
        "iptables-nft -N DOCKER-USER",
        "iptables-nft -A FORWARD -j DOCKER-USER",
    )
    verdict = _look()
    assert "iptables -I DOCKER-USER" in verdict.advice

    mend(verdict)
    assert _look().state is State.FINE


def test_one_direction_is_not_enough() -> None:
    _accepts("iptables-nft -P FORWARD DROP", "iptables-nft -A FORWARD -s 10.244.0.0/16 -j ACCEPT")

    assert _look().state is State.BROKEN


def test_a_foreign_nft_chain_is_found_and_mended() -> None:
    run(
        [
            "nft",
            CHAIN,
        ]
    )
    assert "nft inet strict fw" in _look().found

    mend(_look())
    assert _look().state is State.FINE


def test_a_drop_of_the_other_family_is_fine() -> None:
    _accepts("ip6tables-nft -P FORWARD DROP")

    assert _look().state is State.FINE


def test_looking_loads_no_legacy_table() -> None:
    names = Path("/proc/thread-self/net/ip_tables_names")
    before = names.read_text() if names.exists() else ""
    _look()

    assert (names.read_text() if names.exists() else "") == before


def test_without_firewalld_it_is_fine() -> None:
    assert worst(look_at_firewalld(CLUSTER)).state is State.FINE


def test_a_firewalld_that_does_not_trust_pods_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_firewalld(tmp_path, monkeypatch), Kernel() as kernel:
        verdict = worst(look_at_firewalld(CLUSTER))
        assert verdict.state is State.BROKEN
        assert "firewall-cmd --zone=trusted --add-source=10.244.0.0/16" in verdict.advice
        assert worst(look_at_firewalld(Cluster())).state is State.BROKEN  # of networks that are not known

        ZoneSource("trusted", "10.244.0.0/16").apply(kernel)
        assert worst(look_at_firewalld(CLUSTER)).state is State.FINE


@pytest.mark.parametrize(
    ("enabled", "policy", "state"),
    [("yes", "DROP", "risky"), ("yes", "ACCEPT", "fine"), ("no", "DROP", "fine")],
)
def test_ufw_is_judged_by_its_files(enabled: str, policy: str, state: str, tmp_path: Path) -> None:
    for path, line in (
        ("etc/ufw/ufw.conf", f"ENABLED={enabled}"),
        ("etc/default/ufw", f'DEFAULT_FORWARD_POLICY="{policy}"'),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# ufw\n{line}\n")
    verdict = worst(look_at_ufw(CLUSTER, HostFiles(tmp_path)))

    assert verdict.state == state
    assert state == "fine" or "ufw route allow from 10.244.0.0/16" in verdict.advice


def test_nothing_was_changed_by_looking() -> None:
    before = subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout
    _look()

    assert subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout == before
