"""What attachments own on the host: links, qdiscs, nft elements and rules, iptables rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from linuxnet.iptables import has_rules, is_available, saved_rules
from linuxnet.kernel import Kernel
from linuxnet.masquerade import owner_chain, reference_chain
from linuxnet.nft_elements import FAMILIES, list_elements
from linuxnet.numbers import NFT_TABLE
from linuxnet.owner import mark_of_alias
from linuxnet.rtnetlink_answers import Link
from podwire.inspection.subject import Subject
from podwire.inspection.things import Thing

IPTABLES_TABLES = ("nat", "filter", "mangle", "raw")
_OWN_CHAIN = re.compile(r"\bCNI-[A-Z-]*[0-9a-f]{16,}\b")  # a chain with an owner's hash in its name


def host_links(kernel: Kernel, subject: Subject) -> Iterator[Thing]:
    """Yield the links that carry a mark, and the qdiscs on them."""
    for link in kernel.host.links():
        mark = mark_of_alias(link.alias)
        if mark in subject.marks:
            yield Thing("host", "link", link.name, describe_link(kernel, link), mark or "")
            yield from _qdiscs(kernel, link, mark or "")


def describe_link(kernel: Kernel, link: Link) -> str:
    """Say what a host link is: kind, MAC, MTU, state and the bridge it is a port of."""
    master = kernel.host.find_link_at(link.master) if link.master else None
    port = f" master {master.name}" if master else ""
    return f"{link.kind or 'device'} {link.mac} mtu {link.mtu} {link.operstate.lower()}{port}"


def nft_objects(kernel: Kernel, subject: Subject) -> Iterator[Thing]:
    """Yield the elements and rules whose comment is a mark."""
    for family in FAMILIES:
        for element, mark in list_elements(kernel, family):
            if mark in subject.marks:
                value = f"{element.key} : {element.data}" if element.data else element.key
                yield Thing("host", "nft element", element.place, value, mark)
        if not kernel.ruleset.has_table(family, NFT_TABLE):
            continue
        for body in kernel.nft.query(f"list table {family} {NFT_TABLE}", terse=True):
            rule = body.get("rule", {})
            if rule.get("comment") in subject.marks:
                place = f"{family} {NFT_TABLE} {rule['chain']}"
                yield Thing("host", "nft rule", place, f"handle {rule['handle']}", rule["comment"])


def iptables_rules(kernel: Kernel, subject: Subject) -> Iterator[Thing]:
    """Yield rules that name a container, and all rules of the chains these lead to."""
    words = [f'id: \\"{one}\\"' for one in subject.container_ids]
    chains = {of(one) for one in subject.attachments for of in (owner_chain, reference_chain)}
    for family in (4, 6):
        if not is_available(family):
            continue
        for table in IPTABLES_TABLES:
            if has_rules(kernel, family, table):
                yield from _rules_of(saved_rules(family, table), family, table, words, chains)


def _rules_of(
    lines: list[str], family: int, table: str, words: list[str], chains: set[str]
) -> Iterator[Thing]:
    naming = [line for line in lines if any(word in line for word in words)]
    chains = chains | {chain for line in naming for chain in _OWN_CHAIN.findall(line)}
    for line in lines:
        if line in naming or any(chain in line.split() for chain in chains):
            yield Thing("host", f"ip{'6' if family == 6 else ''}tables rule", table, line)


def _qdiscs(kernel: Kernel, link: Link, mark: str) -> Iterator[Thing]:
    """Yield queueing disciplines that somebody chose: those the kernel gives by itself have handle 0."""
    for message in kernel.pyroute.request("tc", "dump", index=link.index):
        if message["handle"]:
            kind = message.get_attr("TCA_KIND")
            handle = f"{message['handle'] >> 16:x}:"  # TC_H_MAJ (linux/pkt_sched.h)
            yield Thing("host", "qdisc", f"{kind} {handle}", f"on {link.name}", mark)
