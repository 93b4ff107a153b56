"""Passage: other firewalls that stop forwarded packets, dealt with where that is safe, named where not.

A packet must pass every table's chain, and an accept of ours does not win over another's drop. So where
iptables' FORWARD drops (Docker sets that), the cluster's networks are accepted there, in DOCKER-USER if
Docker keeps one; firewalld is asked to trust them. What else drops is somebody's decision: a condition.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from linuxnet.errors import Busy, KernelError, MissingTool
from linuxnet.firewalld import ZoneSource, is_running
from linuxnet.forward_chains import ForwardChain, legacy_forward_chains, nft_forward_chains
from linuxnet.iptables import (
    SEARCH_PATH,
    TOOLS,
    Chain,
    RemoveRules,
    Rule,
    is_available,
    restore,
    rule_exists,
)
from linuxnet.kernel import Kernel
from linuxnet.nft import Nft
from linuxnet.numbers import NFT_OVERLAY_TABLE, NFT_TABLE
from overlay.subnet import Subnet

COMMENT = "podwire overlay"  # of our rules; who removes the overlay finds them by it
ZONE = "trusted"  # firewalld's
PLACES = ("DOCKER-USER", "FORWARD")  # Docker keeps the first for the host's owner

log = logging.getLogger("podwire.overlay")


def open_passage(networks: Iterable[Subnet]) -> list[str]:
    """Let the cluster's networks pass other firewalls; return what still stops them, in words."""
    networks = tuple(networks)
    try:
        return [*_trust(networks), *(trouble for chain in _dropping() for trouble in _pass(chain, networks))]
    except (KernelError, Busy, MissingTool) as error:
        return [f"whether other firewalls let pods' packets pass cannot be seen: {error}"]


def close_passage(networks: Iterable[Subnet]) -> None:
    """Take our rules back; gone already is fine. firewalld's trust may be others' by now, and stays."""
    networks = [one for one in networks if is_available(one.version)]
    rules = [rule for network in networks for name in PLACES for rule in _rules(network, name)]
    with Kernel() as kernel:
        kernel.apply(RemoveRules((), tuple(rules)))


def _dropping() -> list[ForwardChain]:
    nft = Nft()
    try:
        chains = [one for one in nft_forward_chains(nft) if one.table not in (NFT_TABLE, NFT_OVERLAY_TABLE)]
    finally:
        nft.close()
    return [one for one in [*chains, *legacy_forward_chains()] if one.policy == "drop"]


def _pass(chain: ForwardChain, networks: tuple[Subnet, ...]) -> list[str]:
    """Let the networks of a chain's family pass it."""
    versions = {"ip": (4,), "ip6": (6,)}.get(chain.family, (4, 6))
    stopped = [one for one in networks if one.version in versions and not chain.accepts(str(one))]
    if not stopped:
        return []
    is_iptables = chain.table == "filter" and chain.name == "FORWARD" and chain.family != "inet"
    if not is_iptables or chain.is_legacy != _is_legacy(versions[0]):
        named = ", ".join(map(str, stopped))
        return [f"{chain} drops packets of {named}; `podwire doctor` has the command that lets them pass"]
    name = PLACES[0] if any(PLACES[0] in rule for rule in chain.rules) else PLACES[1]
    for network in stopped:
        missing = [rule for rule in _rules(network, name) if not rule_exists(rule)]
        restore((), [rule.command() for rule in missing], [rule.chain for rule in missing])
        log.info("%s drops by default: %s is let pass", chain, network)
    return []


def _rules(network: Subnet, chain: str) -> list[Rule]:
    place = Chain(network.version, "filter", chain, own=False)
    said = ("-m", "comment", "--comment", COMMENT, "-j", "ACCEPT")
    return [Rule(place, (way, str(network), *said), first=True) for way in ("-s", "-d")]


def _is_legacy(version: int) -> bool:
    """Tell whether the host's iptables is the legacy variant."""
    import shutil
    import subprocess

    tool = shutil.which(TOOLS[version], path=SEARCH_PATH)
    if tool is None:
        raise MissingTool(f"{TOOLS[version]} is not on this machine; install iptables")
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    return "legacy" in said


def _trust(networks: tuple[Subnet, ...]) -> list[str]:
    """Have firewalld trust the cluster's networks, if it runs."""
    if not is_running():
        return []
    with Kernel() as kernel:
        for network in networks:
            kernel.apply(ZoneSource(ZONE, str(network)))
    return []
