"""Who may stop a forwarded packet: base chains on the forward hook, of nftables and of legacy iptables.

A packet must pass all of them: an accept in one table does not win over a drop in another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from linuxnet.errors import KernelError
from linuxnet.iptables import SEARCH_PATH
from linuxnet.nft import Nft

LEGACY_TABLES = {4: "/proc/thread-self/net/ip_tables_names", 6: "/proc/thread-self/net/ip6_tables_names"}
LEGACY_TOOLS = {4: "iptables-legacy", 6: "ip6tables-legacy"}
_JUMP = re.compile(r"\b(?:jump|goto|-j|-g) ([\w.-]+)")


@dataclass(frozen=True)
class ForwardChain:
    """A base chain: whose, its policy in lower case, and its rules with those of the chains it leads to.

    `family` is nft's word ("ip", "ip6", "inet"); `is_legacy`: of legacy iptables.
    """

    family: str
    table: str
    name: str
    policy: str
    rules: tuple[str, ...]
    is_legacy: bool = False

    def __str__(self) -> str:
        if self.is_legacy:
            return f"{'ip6' if self.family == 'ip6' else 'ip'}tables-legacy {self.name}"
        return f"nft {self.family} {self.table} {self.name}"

    def accepts(self, network: str) -> bool:
        """Tell whether rules let pass what comes from a network and what goes there."""
        return all(
            self._has(network, *words)
            for words in (("ip saddr ", "ip6 saddr ", "-s "), ("ip daddr ", "ip6 daddr ", "-d "))
        )

    def _has(self, network: str, *words: str) -> bool:
        wanted = [f"{word}{network} " for word in words]
        return any(
            any(one in f"{rule} " for one in wanted) for rule in self.rules if rule.lower().endswith("accept")
        )


def nft_forward_chains(nft: Nft) -> list[ForwardChain]:
    """Return nftables' chains, iptables-nft's among them. Raises KernelError (rights)."""
    found = []
    for chain in (one["chain"] for one in nft.query("list chains") if "chain" in one):
        if chain.get("hook") == "forward" and chain.get("type") == "filter" and chain["family"] != "bridge":
            family, table, name = chain["family"], chain["table"], chain["name"]
            rules = _nft_rules(nft, family, table, name)
            found.append(ForwardChain(family, table, name, chain.get("policy", "accept"), rules))
    return found


def legacy_forward_chains() -> list[ForwardChain]:
    """Return legacy iptables' chains, where its tables are loaded: asking would load them. Raises OSError."""
    found = []
    for version, path in LEGACY_TABLES.items():
        try:
            with open(path) as file:  # noqa: PTH123 - per thread
                is_loaded = "filter" in file.read().split()
        except FileNotFoundError:  # a kernel without
            continue
        if is_loaded:
            found.append(_legacy_chain(version))
    return found


def _nft_rules(nft: Nft, family: str, table: str, name: str) -> tuple[str, ...]:
    """Return a chain's rules and those of the chains it jumps to, as nft prints them."""
    lines = nft.run(f"list chain {family} {table} {name}").splitlines()
    for target in dict.fromkeys(_JUMP.findall("\n".join(lines))):
        lines += nft.run(f"list chain {family} {table} {target}").splitlines()
    return tuple(
        line.strip() for line in lines if not line.strip().startswith(("table ", "chain ", "}", "type "))
    )


def _legacy_chain(version: int) -> ForwardChain:
    import subprocess

    command = [LEGACY_TOOLS[version], "-S"]
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=5, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise KernelError(0, "iptables-legacy -S", f"it does not run: {error}") from error
    if done.returncode != 0:
        raise KernelError(0, "iptables-legacy -S", done.stderr.strip())
    lines = done.stdout.splitlines()
    policy = next((line.split()[2].lower() for line in lines if line.startswith("-P FORWARD ")), "accept")
    return ForwardChain(
        "ip6" if version == 6 else "ip", "filter", "FORWARD", policy, tuple(_reached(lines)), is_legacy=True
    )


def _reached(lines: list[str]) -> list[str]:
    direct = [line for line in lines if line.startswith("-A FORWARD ")]
    targets = {f"-A {one} " for one in _JUMP.findall("\n".join(direct))}
    return direct + [line for line in lines if line.startswith(tuple(targets) or ("\0",))]
