"""What kube-proxy left is taken away, and nothing else."""

from __future__ import annotations

import subprocess

import pytest

from linuxnet.kube_proxy_leftovers import remove_leftovers

IPTABLES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]
:KUBE-SEP-ABCDEFGHIJKLMNOP - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j MINE
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SVC-NPX46M4PTMTKRN6Y -j KUBE-SEP-ABCDEFGHIJKLMNOP
-A KUBE-SEP-ABCDEFGHIJKLMNOP -s 10.0.0.1/32 -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
COMMIT
"""


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_its_chains_and_tables_go_and_others_stay(host: None) -> None:
    subprocess.run(["iptables-restore", "--noflush"], input=IPTABLES, text=True, check=True)
    subprocess.run(
        ["nft", "add table ip kube-proxy; add table ip6 kube-proxy; add table ip mine"], check=True
    )
    assert remove_leftovers() == [
        "nft table ip kube-proxy", "nft table ip6 kube-proxy", "chains of iptables",
    ]  # fmt: skip
    rules = output("iptables-save", "-t", "nat")
    assert "-A PREROUTING -j MINE" in rules and ":KUBE-KUBELET-CANARY" in rules
    assert not any(name in rules for name in ("KUBE-SERVICES", "KUBE-SVC", "KUBE-SEP", "KUBE-MARK"))
    assert "kube-proxy" not in output("nft", "list", "tables") and "ip mine" in output(
        "nft", "list", "tables"
    )


@pytest.mark.parametrize("times", [1, 2])
def test_where_there_is_nothing_nothing_happens(host: None, times: int) -> None:
    for _ in range(times):
        assert remove_leftovers() == []
