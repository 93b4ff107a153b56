"""The service proxy's rules as text: `services.nft`, what a configuration changes, chains on demand. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from linuxnet.numbers import MASQUERADE_MARK, NFT_SERVICES_TABLE
from linuxnet.service_chains import Pick, chain_rules, known_chains

TEXT = Path(__file__).with_name("services.nft")
TABLE = f"inet {NFT_SERVICES_TABLE}"
VERSION = "version_"
FIRST = "first"  # the chain whose rules are the first of each transaction
# Slots for which plain chains are there from the beginning. A chain that is new asks its map of endpoints,
# and the kernel looks through the whole map for it: 10 ms with 10,000 services of ten
READY, READY_LOCAL = 64, 16
_TARGETS = {4: "ip daddr != 127.0.0.0/8", 6: "ip6 daddr != ::1"}
_LISTED = {4: "ip daddr @nodeport_addresses4", 6: "ip6 daddr @nodeport_addresses6"}


@dataclass(frozen=True)
class Settings:
    """What a configuration changes in the rules.

    `masquerades`: whose packets to ClusterIPs take the node's address: those "outside" of the cluster, "all",
    or "none" (where it is not known which addresses are pods'). `mark` is one bit of packets' marks.
    `pod_interface`: who comes by it is a pod, whatever its address; "veth*": each that begins so.
    """

    mark: int = MASQUERADE_MARK
    masquerades: Literal["outside", "all", "none"] = "outside"
    lists_node_port_addresses: bool = False  # False: NodePorts are served at all local addresses but loopback
    answers_ping: bool = True
    pod_interface: str = ""  # "": by the sets of the cluster's pods


def ready_chains() -> list[str]:
    """Return the names of the chains that are there from the beginning."""
    return [
        Pick(slots, is_node_port, is_local).chain
        for is_local in (False, True)
        for is_node_port in (False, True)
        for slots in range(1, (READY_LOCAL if is_local else READY) + 1)
    ]


@cache
def version_chain(settings: Settings) -> str:
    """Return the name of the empty chain that tells which text the rules are of."""
    text = text_of(settings) + "\n".join(chain_rules(name, settings.mark)[0] for name in ready_chains())
    return f"{VERSION}{sha256(text.encode()).hexdigest()[:8]}"


@cache
def text_of(settings: Settings) -> str:
    """Return the static rules."""
    text = TEXT.read_text()
    for marker, rules in _filled(settings).items():
        text = re.sub(rf"# {marker}[^\n]*", lambda _, found=rules: "\n\t\t".join(found), text)  # type: ignore[misc]
    return text


@cache
def static_chains(settings: Settings) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return (hook, rules) of each static chain, "" for one that is jumped to; those come first."""
    found = {}
    for name, body in re.findall(
        r"^\tchain (\w+) \{\n(.*?)^\t\}$", text_of(settings), re.MULTILINE | re.DOTALL
    ):
        lines = [line.strip() for line in body.splitlines()]
        hook = next((line for line in lines if line.startswith("type ")), "")
        found[name] = hook, tuple(line for line in lines if line and not line.startswith(("#", "type ")))
    return found


def declared_sets() -> dict[str, str]:
    """Return what declares each set and map, by its name."""
    found = re.findall(r"^\t((?:set|map) (\w+)) (\{.*\})$", TEXT.read_text(), re.MULTILINE)
    return {name: f"add {kind.partition(' ')[0]} {TABLE} {name} {body}" for kind, name, body in found}


def loading(settings: Settings, chains: Iterable[str], gone: Iterable[str]) -> str:
    """Return what writes all rules anew and keeps all elements, as one transaction.

    `chains` are those on demand; `gone` are chains of other rules that are to go.
    """
    static = static_chains(settings)
    lines = [f"add table {TABLE}", *declared_sets().values()]
    lines += [
        f"add chain {TABLE} {name}{f' {{ {hook} }}' if hook else ''}" for name, (hook, _) in static.items()
    ]
    lines += [f"flush chain {TABLE} {name}" for name in static]
    lines += [*making(known_chains(chains), settings), f"add chain {TABLE} {version_chain(settings)}"]
    rest = [(name, rules) for name, (_, rules) in static.items() if name != FIRST]
    lines += [f"add rule {TABLE} {name} {rule}" for name, rules in rest for rule in rules]
    for name in gone:
        lines += [f"flush chain {TABLE} {name}", f"delete chain {TABLE} {name}"]
    return "\n".join(lines)


def making(chains: Iterable[str], settings: Settings) -> list[str]:
    """Return what makes exactly these chains on demand; `services.nft` says which rules come first."""
    rules = {FIRST: list(static_chains(settings)[FIRST][1])}
    rules |= {name: chain_rules(name, settings.mark) for name in chains}
    lines = [f"add chain {TABLE} {name}" for name in rules]
    lines += [f"flush chain {TABLE} {name}" for name in rules]
    return lines + [f"add rule {TABLE} {name} {rule}" for name, found in rules.items() for rule in found]


def rule_counts(settings: Settings, chains: Iterable[str]) -> Counter[str]:
    """Return how many rules each chain has, given those on demand."""
    counts = Counter({name: len(rules) for name, (_, rules) in static_chains(settings).items()})
    counts.update({name: len(chain_rules(name, settings.mark)) for name in known_chains(chains)})
    return +counts


def _filled(settings: Settings) -> dict[str, list[str]]:
    """Return the rules that stand for each marker of the text."""
    mark = f"meta mark set meta mark | {settings.mark:#x}"
    here = _LISTED if settings.lists_node_port_addresses else _TARGETS
    local = {
        family: f"fib daddr type local {words} meta l4proto . th dport" for family, words in here.items()
    }
    to_services = [f"{ip} daddr @cluster_ips{family} {mark}" for ip, family in (("ip", 4), ("ip6", 6))]
    has_mark = f"meta mark & {settings.mark:#x} == {settings.mark:#x}"
    take_off = f"meta mark set meta mark ^ {settings.mark:#x}"
    not_pods = ["ip saddr != @pods4", "ip6 saddr != @pods6"]
    if settings.pod_interface:
        not_pods = [f'iifname != "{settings.pod_interface}"']
    return {
        "clients:": [f"{words} fib saddr type != local jump outside" for words in not_pods],
        "from outside:": to_services if settings.masquerades == "outside" else [],
        "from anywhere:": to_services if settings.masquerades == "all" else [],
        "node ports: vmap @outside_nodeports": [f"{local[n]} vmap @outside_nodeports{n}" for n in (4, 6)],
        "node ports: vmap @nodeports": [f"{local[n]} vmap @nodeports{n}" for n in (4, 6)],
        "node ports: @refused_nodeports": [f"{local[n]} @refused_nodeports{n} goto refuse" for n in (4, 6)],
        "ping:": [
            "ip daddr @cluster_ips4 icmp type echo-request redirect",
            "ip6 daddr @cluster_ips6 icmpv6 type echo-request redirect",
        ]
        if settings.answers_ping
        else [],
        "masquerade: taken off": [f"{has_mark} ct status dnat {take_off}"],
        "masquerade: by the mark": [f"{has_mark} {take_off} goto masquerading"],
    }
