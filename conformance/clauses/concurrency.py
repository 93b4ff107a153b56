"""Many containers at once."""

from __future__ import annotations

from typing import Any

from conformance.calls import Answer
from conformance.case import Attachment, Case, said, with_result
from conformance.clause import Clause, Kind, Level, clause, expect
from conformance.leftovers import begin, expect_same, lose_netns, see
from conformance.world.dumps import difference

AT_ONCE = 8


@clause(
    "51",
    Level.MUST,
    "3, Lifecycle & Ordering",
    "serves several containers at the same time",
    seconds=60,
)
def at_once(case: Case) -> None:
    """Runtimes call a plugin for different containers at once; it must lock what they share.

    All ADDs succeed, no two containers have one address, each passes CHECK, and all DELs leave nothing.
    (That CHECK passes, and nothing is left, where there is one container alone, is seen by 33 and 19.)
    """
    begin(case)
    before = see(case)
    one = case.add(case.attachment())
    checks = case.can_check(one)
    case.delete(one)
    lose_netns(case, one)
    leaves_nothing = not difference(before, see(case))
    attachments = [case.attachment() for _ in range(AT_ONCE)]
    answers = case.ask_at_once("ADD", attachments)
    _expect_all(answers, "ADD")
    added = [with_result(one, answer) for one, answer in zip(attachments, answers, strict=True)]
    if case.kind is not Kind.CHAINED and not case.profile.shares_addresses:
        _expect_own_addresses(added)
    if checks:
        _expect_all(case.ask_at_once("CHECK", added), "CHECK")
    _expect_all(case.ask_at_once("DEL", added), "DEL")
    lose_netns(case, *added)
    if leaves_nothing:
        expect_same(case, before, f"of {AT_ONCE} containers that came and went at once something is left")


def _expect_all(answers: list[Answer], verb: str) -> None:
    failed = [one for one in answers if not one.succeeded]
    if failed:
        expect(False, f"of {len(answers)} {verb}s at once {len(failed)} failed: {said(failed[0])}")


def _expect_own_addresses(added: list[Attachment]) -> None:
    owners: dict[str, str] = {}
    for one in added:
        for address in addresses_of(one.result or {}):
            other = owners.setdefault(address, one.container)
            expect(other == one.container, f"{other} and {one.container} both have {address}")


def addresses_of(result: dict[str, Any]) -> list[str]:
    """Return the addresses of a result of any version, without the loopback's."""
    listed = [one.get("address") for one in result.get("ips") or ()]
    listed += [result[key].get("ip") for key in ("ip4", "ip6") if isinstance(result.get(key), dict)]
    return [one for one in listed if one and not one.startswith(("127.", "::1/"))]


CLAUSES: tuple[Clause, ...] = (at_once,)
