"""Masquerading: a pod's traffic to the outside takes the host's address; within its network it does not.

By nftables, the default, it is one element for each address; by iptables a chain for each attachment, with
the reference plugins' names. Removal looks for both, and for what the reference plugins left.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable

from netaddr import IPNetwork

from linuxnet.iptables import Chain, Rule, Rules, has_rules, is_available, run, saved_rules
from linuxnet.kernel import Kernel
from linuxnet.nft_element import masquerade
from linuxnet.nft_elements import Elements
from linuxnet.nft_rules import BaseRules
from linuxnet.numbers import MASQUERADE_CHAIN_PREFIX
from linuxnet.op import Op
from linuxnet.owner import Attachment

REFERENCE_TABLE = "cni_plugins_masquerade"  # in family inet; the reference's nftables backend
MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


def masquerade_ops(backend: str, owner: Attachment, addresses: tuple[IPNetwork, ...]) -> tuple[Op, ...]:
    """List the operations that masquerade an attachment's addresses (each with its network's length)."""
    if not addresses:
        return ()
    if backend == "iptables":
        return (_iptables_rules(owner, addresses),)
    elements = tuple(dict.fromkeys(one for address in addresses for one in masquerade(address)))
    return BaseRules(), Elements(owner.mark, elements)


def remove_masquerade(kernel: Kernel, owner: Attachment) -> None:
    """Remove the iptables chains of an attachment, and what a reference plugin made for it in nft.

    Elements of ours go with everything else that carries the mark. Looks first, without a process.
    """
    for family in (4, 6):
        if has_rules(kernel, family, "nat") and is_available(family):
            _remove_chains(family, {owner_chain(owner), reference_chain(owner)})
    _remove_reference_rules(kernel, _reference_comment(owner))


def masquerade_gc(kernel: Kernel, network: str, valid: Iterable[Attachment]) -> None:
    """Remove the iptables chains of a network's attachments that are not listed."""
    valid = list(valid)
    keep = {owner_chain(one) for one in valid} | {reference_chain(one) for one in valid}
    for family in (4, 6):
        if not (has_rules(kernel, family, "nat") and is_available(family)):
            continue
        comment = f'name: \\"{re.escape(network)}\\" id: '
        lines = [line for line in saved_rules(family, "nat") if re.search(comment, line)]
        jumps = [re.search(r"^-A POSTROUTING .* -j (CNI-[0-9a-f]{24})$", line) for line in lines]
        stale = {match[1] for match in jumps if match} - keep
        if stale:
            _remove_chains(family, stale)


def owner_chain(owner: Attachment) -> str:
    """Return the chain of one attachment: the reference's form, but each interface has its own."""
    return MASQUERADE_CHAIN_PREFIX + _sha512(owner.network + owner.container_id + owner.ifname)[:24]


def reference_chain(owner: Attachment) -> str:
    """Return the chain a reference plugin makes for a container on a network, whatever its interface."""
    return MASQUERADE_CHAIN_PREFIX + _sha512(owner.network + owner.container_id)[:24]


def _iptables_rules(owner: Attachment, addresses: tuple[IPNetwork, ...]) -> Rules:
    chains: list[Chain] = []
    rules: list[Rule] = []
    comment = ("-m", "comment", "--comment", _comment(owner))
    for address in addresses:
        own = Chain(address.version, "nat", owner_chain(owner))
        if own not in chains:
            chains.append(own)
            rules.append(Rule(own, ("-d", str(address.cidr), *comment, "-j", "ACCEPT")))
            rules.append(Rule(own, ("!", "-d", MULTICAST[own.family], *comment, "-j", "MASQUERADE")))
        elif not any(str(address.cidr) in rule.spec for rule in rules):
            rules.insert(0, Rule(own, ("-d", str(address.cidr), *comment, "-j", "ACCEPT")))
        entry = Chain(address.version, "nat", "POSTROUTING", own=False)
        rules.append(Rule(entry, ("-s", str(address.ip), *comment, "-j", own.name)))
    return Rules(tuple(chains), tuple(rules))


def _remove_chains(family: int, chains: set[str]) -> None:
    """Remove chains and the rules that lead to them; a reference's chain that another uses stays."""
    for line in saved_rules(family, "nat"):
        target = line.rpartition(" -j ")[2]
        if line.startswith("-A POSTROUTING ") and target in chains:
            run(family, "-t", "nat", "-D", *shlex.split(line)[1:])
    names = {line.split(" ")[1] for line in saved_rules(family, "nat")} & chains
    for name in sorted(names):
        run(family, "-t", "nat", "-F", name)
        run(family, "-t", "nat", "-X", name)


def _remove_reference_rules(kernel: Kernel, comment: str) -> None:
    """Remove the rules that the reference's nftables backend made for an attachment."""
    if not kernel.ruleset.has_table("inet", REFERENCE_TABLE):
        return
    for one in kernel.nft.query(f"list table inet {REFERENCE_TABLE}"):
        rule = one.get("rule")
        if rule and comment in rule.get("comment", ""):
            kernel.nft.run(f"delete rule inet {REFERENCE_TABLE} {rule['chain']} handle {rule['handle']}")


def _reference_comment(owner: Attachment) -> str:
    """Return the hashes in the reference's comment: hash16(network)-hash16(ifname:container)."""
    return f"{_sha512(owner.network)[:16]}-{_sha512(f'{owner.ifname}:{owner.container_id}')[:16]}"


def _comment(owner: Attachment) -> str:
    """Return the reference's comment; iptables takes 255 bytes."""
    return f'name: "{owner.network}" id: "{owner.container_id}"'[:255]


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()
