"""Questions to the record that several clauses have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.clause import NotApplicable, expect, fail
from conformance.runtime.case import Container, RuntimeCase
from conformance.runtime.records import Record, normal

Json = dict[str, Any]
REFUSAL = {"code": 100, "msg": "this-plugin-was-told-to-fail"}


def refusal(letter: str) -> Json:
    """Return an error whose words tell whose it is."""
    return {"code": 100, "msg": f"told-to-fail-{letter}"}


def types_of(records: Sequence[Record]) -> list[str]:
    """Return the last letters of the types, in the order of the calls."""
    return [record.type[-1] for record in records]


def added(
    case: RuntimeCase, container: Container | None = None, /, **places: str
) -> tuple[Container, list[Record]]:
    """Add a container to the network and return the calls of ADD; there must have been some."""
    target = container or case.container()
    case.add(target, **places)
    calls = case.calls("ADD")
    expect(calls, "add succeeded, but no plugin was called with ADD")
    return target, calls


def first_of_each(records: Sequence[Record]) -> list[Record]:
    """Return the first call of each verb for each plugin, in order."""
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        found.setdefault((record.verb, record.type), record)
    return list(found.values())


def deletions(case: RuntimeCase) -> list[Record]:
    """Return the calls of DEL; where there are none, that is another clause's matter."""
    found = case.calls("DEL")
    if not found:
        raise NotApplicable("no plugin was called with DEL, which clause 79 is about")
    return found


def checks(case: RuntimeCase) -> list[Record]:
    """Return the calls of CHECK; where there are none, that is another clause's matter."""
    found = case.calls("CHECK")
    if not found:
        raise NotApplicable("no plugin was called with CHECK, which clause 87 is about")
    return found


def collections(case: RuntimeCase) -> list[Record]:
    """Return the calls of GC; where there are none, that is another clause's matter."""
    found = case.calls("GC")
    if not found:
        raise NotApplicable("no plugin was called with GC, which clause 87 is about")
    return found


def expect_result(found: object, expected: object, sentence: str) -> None:
    """Fail unless two results say the same; what is empty may be left out."""
    if normal(found) != normal(expected):
        fail(f"{sentence}: expected {normal(expected)}, came {normal(found)}")


def expect_reported(said: str, message: str, sentence: str) -> None:
    """Fail unless what a command printed has a plugin's message in it."""
    expect(message in said, f"{sentence}: {message!r} is not in what was printed: {said.strip()[:400]!r}")
