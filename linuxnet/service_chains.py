"""The chains that choose an endpoint: `Pick` (how) -> name -> text. Pure.

They are few, whatever the number of services: a chain says how many slots there are, the packet whose they
are. Those for 1 to 64 slots are there from the beginning, others are made on demand (service_table.py). The
name says all that the text does, so that a chain that is found is understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from linuxnet.numbers import SCRATCH_HASH

LOCAL = 65536  # where the slots of a Local list begin; a Cluster list has as many at most
BLOCK = 16
HASH_SEED = 0x706F6477  # "podw"; the same on every node, so that all choose the same endpoint for a client

_FAMILIES = (("ip", 4), ("ip6", 6))
_NAME = re.compile(r"(masq_|own_)?(sticky_)?(node_)?(pick_|local_|(?:hash|source)_(?:local_)?)([1-9]\d{0,4})")
_REMEMBERS = re.compile(r"remember_([1-9]\d*)")
# `update` makes the clock start anew, and leaves the endpoint as it is. IPv6: see services.nft
_CLIENT6 = "@nh,96,96 . ct mark"
_PORTS = "meta l4proto { tcp, udp, sctp }"
_REMEMBER = (
    f"{_PORTS} update @affinity4 {{ ip saddr . ct mark timeout %ss : ip daddr . th dport }}",
    f"meta nfproto ipv6 {_PORTS} update @affinity_ports6 {{ {_CLIENT6} timeout %ss : th dport }}",
    f"meta nfproto ipv6 {_PORTS} update @affinity6 {{ {_CLIENT6} timeout %ss : ip6 daddr }}",
)
_REMEMBERED = (
    f"{_PORTS} dnat ip to ip saddr . ct mark map @affinity4",
    f"meta nfproto ipv6 {_PORTS} dnat ip6 to {_CLIENT6} map @affinity6 : {_CLIENT6} map @affinity_ports6",
)
Masquerade = Literal["", "always", "own"]
Hashes = Literal["", "source", "port"]


class Verdict(NamedTuple):
    """What becomes of a packet."""

    action: Literal["goto", "jump", "drop"]
    chain: str = ""

    @property
    def data(self) -> bytes:
        """Return it as an entry's data has it."""
        return f"{self.action} {self.chain}".rstrip().encode()


class Pick(NamedTuple):
    """How a front end chooses among its endpoints.

    `hashes`: what of the client chooses from Maglev's table, its address or also its port; "": chance does.
    One that is sticky and hashes does so by the address alone, which is as sticky and needs no memory.
    `masquerade`: whose packets take the node's address: "", everybody's ("always"), the node's own ("own").
    """

    slots: int
    is_node_port: bool = False
    is_local: bool = False
    hashes: Hashes = ""
    is_sticky: bool = False
    masquerade: Masquerade = ""

    @property
    def chain(self) -> str:
        """Return the chain's name, as `masq_sticky_node_local_3`."""
        hashes = "source" if self.hashes and self.is_sticky else self.hashes
        words = [
            {"": "", "always": "masq", "own": "own"}[self.masquerade],
            "sticky" if self.is_sticky and not hashes else "",
            "node" if self.is_node_port else "",
            {"": "", "source": "source", "port": "hash"}[hashes],
            "local" if self.is_local else "" if hashes else "pick",
        ]
        return "_".join([*filter(None, words), str(self.slots)])

    @property
    def verdict(self) -> Verdict:
        """Return what leads to it."""
        return Verdict("goto", self.chain)


def remember_chain(seconds: int) -> str:
    """Return the name of the chain that remembers clients for so long."""
    return f"remember_{seconds}"


def pick_of(chain: str) -> Pick | None:
    """Return what a chain's name says; None if no pick has it."""
    found = _NAME.fullmatch(chain)
    if found is None:
        return None
    masquerade, sticky, node, kind, slots = found.groups(default="")
    hashes: Hashes = "source" if kind.startswith("source") else "port" if kind.startswith("hash") else ""
    marks: Masquerade = "always" if masquerade == "masq_" else "own" if masquerade else ""
    return Pick(int(slots), bool(node), kind.endswith("local_"), hashes, bool(sticky), marks)


def known_chains(names: Iterable[str]) -> dict[str, None]:
    """Return those that can be made, and the chains they lead to, each behind what it leads to."""
    found: dict[str, None] = {}
    for name in names:
        chain: str | None = name
        needed = []
        while chain is not None and (_REMEMBERS.fullmatch(chain) or pick_of(chain)):
            needed.append(chain)
            chain = _leads_to(chain)
        found |= dict.fromkeys(reversed(needed))
    return found


def chain_rules(chain: str, mark: int) -> list[str]:
    """Return the rules of a chain on demand; `mark` is the bit that asks for masquerading."""
    if remembers := _REMEMBERS.fullmatch(chain):
        return [rule % remembers[1] for rule in _REMEMBER]
    pick = pick_of(chain)
    assert pick is not None, chain
    if pick.masquerade:
        whose = "fib saddr type local " if pick.masquerade == "own" else ""
        return [f"{whose}meta mark set meta mark | {mark:#x}", f"goto {_leads_to(chain)}"]
    if pick.is_sticky:
        return [*_sticky_rules(pick), f"goto {_leads_to(chain)}"]
    return _hash_rules(pick) if pick.hashes else _random_rules(pick)


def _leads_to(chain: str) -> str | None:
    """Return the chain to which one goes on."""
    pick = pick_of(chain)
    if pick is None or not (pick.masquerade or pick.is_sticky):
        return None
    return (pick._replace(masquerade="") if pick.masquerade else pick._replace(is_sticky=False)).chain


def _random_rules(pick: Pick) -> list[str]:
    number = f"numgen random mod {pick.slots}{f' offset {LOCAL}' if pick.is_local else ''}"
    return [
        f"meta nfproto ipv{n} dnat {ip} to {_front(pick, ip)} . {number} map @{_map(pick, 'endpoints')}{n}"
        for ip, n in _FAMILIES
    ]


def _hash_rules(pick: Pick) -> list[str]:
    offset = SCRATCH_HASH + (LOCAL if pick.is_local else 0)
    rules = []
    for ip, n in _FAMILIES:
        client = f"{ip} saddr . th sport" if pick.hashes == "port" else f"{ip} saddr"
        rules.append(f"ct mark set jhash {client} mod {pick.slots} seed {HASH_SEED:#x} offset {offset}")
        rules.append(
            f"meta nfproto ipv{n} dnat {ip} to {_front(pick, ip)} . ct mark map @{_map(pick, 'hashed')}{n}"
        )
    return rules


def _sticky_rules(pick: Pick) -> list[str]:
    number = [
        f"meta nfproto ipv{n} ct mark set {_front(pick, ip)} map @{_map(pick, 'sticky')}{n}"
        for ip, n in _FAMILIES
    ]
    return [*number, *_REMEMBERED]


def _front(pick: Pick, ip: str) -> str:
    return f"{'' if pick.is_node_port else f'{ip} daddr . '}meta l4proto . th dport"


def _map(pick: Pick, name: str) -> str:
    return f"nodeport_{name}" if pick.is_node_port else name


def neighbours(names: Iterable[str]) -> list[str]:
    """Return chains, and with those that lead to others the same for 1 to 16 slots, 17 to 32 and so on.

    Services grow and shrink, and these chains cost next to nothing where the others are there already.
    """
    found: dict[str, None] = {}
    for name in names:
        pick = pick_of(name)
        found[name] = None
        if pick is not None and _leads_to(name) and not pick.hashes and pick.slots <= BLOCK * 4:
            first = (pick.slots - 1) // BLOCK * BLOCK + 1
            found |= dict.fromkeys(pick._replace(slots=n).chain for n in range(first, first + BLOCK))
    return list(found)
