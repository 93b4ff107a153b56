"""Other firewalls: what drops what is forwarded is opened for the cluster's networks, or named."""

from __future__ import annotations

import subprocess

import pytest

from overlay.passage import close_passage, open_passage
from overlay.subnet import parse_subnet

POD4, POD6 = parse_subnet("10.244.0.0/16"), parse_subnet("fd00:244::/48")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rules(tool: str, chain: str) -> list[str]:
    return [line for line in run(tool, "-S", chain).splitlines() if line.startswith("-A")]


def test_a_host_that_drops_nothing_is_left_alone(host: None) -> None:
    assert open_passage((POD4, POD6)) == []
    assert "podwire" not in run("nft", "list", "ruleset")


@pytest.mark.parametrize(("tool", "network"), [("iptables", POD4), ("ip6tables", POD6)])
def test_a_forward_chain_that_drops_lets_the_clusters_packets_pass(host: None, tool: str, network) -> None:  # type: ignore[no-untyped-def]
    run(tool, "-P", "FORWARD", "DROP")
    assert open_passage((POD4, POD6)) == []
    ways = sorted(line.split()[2] for line in rules(tool, "FORWARD") if f" {network} " in line)
    assert ways == ["-d", "-s"] and all(line.endswith("ACCEPT") for line in rules(tool, "FORWARD"))
    before = rules(tool, "FORWARD")
    assert open_passage((POD4, POD6)) == [] and rules(tool, "FORWARD") == before, "said once"


def test_docker_keeps_a_chain_for_the_hosts_owner(host: None) -> None:
    for line in (
        "-N DOCKER-USER",
        "-A FORWARD -j DOCKER-USER",
        "-A DOCKER-USER -j RETURN",
        "-P FORWARD DROP",
    ):
        run("iptables", *line.split())
    assert open_passage((POD4,)) == []
    assert [line.split()[2] for line in rules("iptables", "FORWARD")] == ["-j"], "nothing of ours there"
    assert len(rules("iptables", "DOCKER-USER")) == 3
    assert rules("iptables", "DOCKER-USER")[-1].endswith("RETURN"), "ours come first"


def test_somebody_elses_table_is_named_and_not_touched(host: None) -> None:
    run(
        "nft",
        "add table inet site; add chain inet site out { type filter hook forward priority 0; policy drop; }",
    )
    before = run("nft", "list", "ruleset")
    (said,) = open_passage((POD4,))
    assert "nft inet site out" in said and "10.244.0.0/16" in said and "podwire doctor" in said
    assert run("nft", "list", "ruleset") == before


def test_what_was_let_pass_is_taken_back_and_nothing_else(host: None) -> None:
    run("iptables", "-P", "FORWARD", "DROP")
    run("iptables", "-A", "FORWARD", "-s", "10.244.0.0/16", "-j", "ACCEPT")
    before = rules("iptables", "FORWARD")
    run("iptables", "-D", "FORWARD", "-s", "10.244.0.0/16", "-j", "ACCEPT")
    open_passage((POD4,))
    run("iptables", "-A", "FORWARD", "-s", "10.244.0.0/16", "-j", "ACCEPT")
    close_passage((POD4, POD6))
    close_passage((POD4, POD6))
    assert rules("iptables", "FORWARD") == before
