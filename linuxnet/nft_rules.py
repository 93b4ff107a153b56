"""The static rules: loaded once, idempotently, by whoever comes first; mended where somebody tore them.

`podwire.nft` beside this file is the whole of them. Loading it again keeps every element: sets are added
(which leaves one that is there alone), chains are emptied and filled in one transaction.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from linuxnet.kernel import Kernel
from linuxnet.nft_keys import TEXT
from linuxnet.numbers import NFT_TABLE
from linuxnet.op import Inverse, Op

FAMILIES = ("inet", "bridge")
FOREIGN_CHAINS = frozenset({"admin", "conditions"})  # what is in there is not static


@dataclass(frozen=True)
class BaseRules:
    """Both tables with their sets and chains, and no element."""

    def __str__(self) -> str:
        return "nft -f podwire.nft"

    def apply(self, kernel: Kernel) -> Op | None:
        """Load what is missing; the inverse removes the tables if nobody uses them."""
        _ = kernel.shared
        seen = {family: kernel.ruleset.count_rules(family, NFT_TABLE) for family in FAMILIES}
        if all(_is_complete(family, seen[family]) for family in FAMILIES):
            return None
        kernel.nft.run(load_text())
        return None if any(seen.values()) else RemoveIdleTables()

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first chain that has not the rules it should have."""
        for family in FAMILIES:
            seen, wanted = kernel.ruleset.count_rules(family, NFT_TABLE), _rule_counts()[family]
            for chain, number in wanted.items():
                if seen[chain] != number:
                    what = f"chain {chain} of nft table {family} {NFT_TABLE}"
                    return f"{what} has {seen[chain]} rules, not {number}"
        return None


@dataclass(frozen=True)
class RemoveIdleTables(Inverse):
    """Remove the tables if they hold no element, no rule of others, and no other ADD is under way."""

    def __str__(self) -> str:
        return "; ".join(f"nft delete table {family} {NFT_TABLE}" for family in FAMILIES)

    def apply(self, kernel: Kernel) -> Op | None:
        """Look, then remove both in one transaction."""
        if kernel.is_alone() and not tables_in_use(kernel):
            tables = [f"{family} {NFT_TABLE}" for family in FAMILIES]
            kernel.nft.run("\n".join(f"add table {one}; delete table {one}" for one in tables))
        return None


def tables_in_use(kernel: Kernel) -> bool:
    """Tell whether any set holds an element, or anybody put a rule where others may."""
    counts = [kernel.ruleset.count_rules(family, NFT_TABLE) for family in FAMILIES]
    return bool(kernel.ruleset.elements()) or any(one[chain] for one in counts for chain in FOREIGN_CHAINS)


@cache
def load_text() -> str:
    """Return the text that loads the rules, whatever of them is there already."""
    text = TEXT.read_text()
    flush = [
        f"add table {family} {NFT_TABLE}\nadd chain {family} {NFT_TABLE} {chain}"
        f"{hook}\nflush chain {family} {NFT_TABLE} {chain}"
        for family, chain, hook in _chains(text)
        if chain not in FOREIGN_CHAINS
    ]
    return "\n".join([*flush, text])


def _is_complete(family: str, seen: Counter[str]) -> bool:
    return all(seen[chain] == number for chain, number in _rule_counts()[family].items())


@cache
def _rule_counts() -> dict[str, Counter[str]]:
    """Count the rules of each static chain in the text."""
    found: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    for family, chain, body in _bodies(TEXT.read_text()):
        rules = [line for line in body if line and not line.startswith(("type ", "#"))]
        if chain not in FOREIGN_CHAINS:
            found[family][chain] = len(rules)
    return found


def _chains(text: str) -> list[tuple[str, str, str]]:
    """Return (family, chain, " { type ... }" or "") of every chain."""
    found = []
    for family, chain, body in _bodies(text):
        hooks = [line for line in body if line.startswith("type ")]
        found.append((family, chain, f" {{ {hooks[0]} }}" if hooks else ""))
    return found


def _bodies(text: str) -> list[tuple[str, str, list[str]]]:
    """Return (family, chain, lines) of every chain in the text."""
    found = []
    for family, table in re.findall(r"^table (\w+) \w+ \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        for chain, body in re.findall(r"^\tchain (\w+) \{(.*?)\}$", table, re.MULTILINE | re.DOTALL):
            found.append((family, chain, [line.strip() for line in body.splitlines()]))
    return found
