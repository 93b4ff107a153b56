"""Host ports with conditions of their own: a rule each in the chain `conditions`, with its owner's mark.

Matches that a user wrote cannot be an element. They bind the rules of the attachment that asked for them
and no other, and whoever asks for none pays for none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from linuxnet.kernel import Kernel
from linuxnet.numbers import NFT_TABLE
from linuxnet.op import Inverse, Op

PLACE = f"inet {NFT_TABLE} conditions"


@dataclass(frozen=True)
class ConditionRules:
    """Rules of one owner, each in nft's language without its comment."""

    mark: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(f"nft add rule {PLACE} {rule}" for rule in self.rules)

    def apply(self, kernel: Kernel) -> Op | None:
        """Replace the owner's rules by these, in one transaction."""
        comment = json.dumps(self.mark)
        old = [_delete(rule) for rule in owned_rules(kernel, lambda mark: mark == self.mark)]
        new = [f"add rule {PLACE} {rule} comment {comment}" for rule in self.rules]
        kernel.nft.run("\n".join(old + new))
        return RemoveConditionRules(self.mark)

    def difference(self, kernel: Kernel) -> str | None:
        """Count the owner's rules."""
        seen = len(owned_rules(kernel, lambda mark: mark == self.mark))
        return None if seen == len(self.rules) else f"{seen} of {len(self.rules)} rules are in {PLACE}"


@dataclass(frozen=True)
class RemoveConditionRules(Inverse):
    """Remove an owner's rules; none is fine."""

    mark: str

    def __str__(self) -> str:
        return f"nft delete rule {PLACE} … comment {json.dumps(self.mark)}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them."""
        remove_rules(kernel, lambda mark: mark == self.mark)
        return None


def remove_rules(kernel: Kernel, predicate: Callable[[str], bool]) -> None:
    """Remove the rules whose owner's mark a predicate picks."""
    found = owned_rules(kernel, predicate)
    if found:
        kernel.nft.run("\n".join(_delete(rule) for rule in found))


def owned_rules(kernel: Kernel, predicate: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the rules whose mark a predicate picks, as libnftables-json(5) objects."""
    if not kernel.ruleset.count_rules("inet", NFT_TABLE)["conditions"]:
        return []
    rules = [one["rule"] for one in kernel.nft.query(f"list chain {PLACE}") if "rule" in one]
    return [rule for rule in rules if predicate(rule.get("comment", ""))]


def _delete(rule: dict[str, Any]) -> str:
    return f"delete rule {PLACE} handle {rule['handle']}"
