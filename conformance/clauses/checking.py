"""CHECK where all is well: it says so, in silence, and changes nothing."""

from __future__ import annotations

import copy

from conformance.case import Attachment, Case, said
from conformance.clause import Kind, Level, NotApplicable, clause, expect
from conformance.leftovers import expect_same, see
from conformance.profile import Json
from conformance.tampering import tamper, tamperings

SINCE = "0.4.0"
NOT_GIVEN = {"4": "198.51.100.77/24", "6": "2001:db8:77::77/64"}  # documentation's (RFC 5737, RFC 3849)
WITH_RESULTS = frozenset({Kind.INTERFACE, Kind.CHAINED})


def added_and_sound(case: Case) -> Attachment:
    """ADD, and CHECK that says that all is well; else the clause cannot be asked, and 33 tells why."""
    added = case.add(case.attachment())
    answer = case.check(added)
    if not answer.succeeded:
        raise NotApplicable(f"CHECK fails with nothing changed (clause 33): {said(answer)}")
    return added


@clause("28", Level.MUST, "2, CHECK", "compares with prevResult", since=SINCE)
def consults_previous_result(case: Case) -> None:
    """CHECK reads `prevResult`: it fails without one, and where it names what the container has not.

    What an interface is expected to have is what the last plugin of the chain gave, not what this one's
    configuration would give now. An IPAM plugin is asked about addresses alone, and a chained plugin only
    whether it minds that `prevResult` is missing: what it expects of interfaces is its own affair.
    """
    added = added_and_sound(case)
    case.delegate.behave(CHECK={"blind": True})
    if case.kind in WITH_RESULTS:
        config = case.config(added)
        config.pop("prevResult", None)
        answer = case.check(added, config=config)
        expect(not answer.succeeded, "CHECK without prevResult succeeded; it cannot know what to expect")
    result = added.result or {}
    if case.kind is not Kind.CHAINED and _address_count(result):
        _expect_failure(case, added, _with_other_addresses(result), "addresses that were never given")
    if case.kind is Kind.INTERFACE and case.profile.makes and result.get("interfaces"):
        _expect_failure(case, added, _with_other_names(result), "interfaces that do not exist")


@clause("33", Level.MUST, "2, CHECK", "passes CHECK right after ADD", since=SINCE)
def right_after_add(case: Case) -> None:
    """CHECK succeeds immediately after ADD, for each of two containers, and again.

    What needs time to come up is given it, by ADD or by CHECK: a runtime may take a CHECK that failed to mean
    that the container is broken for good.
    """
    for _ in range(2):
        added = case.add(case.attachment())
        answer = case.check(added)
        expect(answer.succeeded, f"CHECK right after ADD failed: {said(answer)}")
    answer = case.check(added)
    expect(answer.succeeded, f"the second CHECK failed: {said(answer)}")


@clause("35", Level.MUST, "2, CHECK", "prints nothing where CHECK succeeds", since=SINCE)
def says_nothing(case: Case) -> None:
    """A CHECK that succeeds prints nothing on stdout: it returns nothing, or an error."""
    added = case.add(case.attachment())
    answer = case.check(added)
    if not answer.succeeded:
        raise NotApplicable(f"CHECK fails with nothing changed (clause 33): {said(answer)}")
    expect(not answer.stdout.strip(), f"CHECK succeeded and printed {answer.stdout.strip()[:200]!r}")


@clause("36", Level.BEHAVIOUR, "2, CHECK", "changes nothing with CHECK", since=SINCE)
def changes_nothing(case: Case) -> None:
    """CHECK looks, and changes nothing: neither where all is well, nor where something is missing.

    It is a question. A plugin that mends in passing hides from the operator that something broke it.
    """
    case.need(SINCE, "CHECK")
    added = case.add(case.attachment())
    before = see(case, added.netns)
    case.check(added)
    expect_same(case, before, "CHECK changed something where all was well", added.netns)
    for one in tamperings(case):
        added = case.add(case.attachment())
        made = tamper(case, added, one)
        before = see(case, added.netns)
        case.check(added)
        expect_same(case, before, f"CHECK changed something after {made}", added.netns)


def _expect_failure(case: Case, added: Attachment, result: Json, what: str) -> None:
    config = case.config(added) | {"prevResult": result}
    answer = case.check(added, config=config)
    expect(not answer.succeeded, f"CHECK succeeded with a prevResult that names {what}")


def _address_count(result: Json) -> int:
    return len(result.get("ips") or ())  # CHECK is younger than results with ip4 and ip6


def _with_other_addresses(result: Json) -> Json:
    changed: Json = copy.deepcopy(result)
    for one in changed["ips"]:
        one["address"] = NOT_GIVEN["6" if ":" in one["address"] else "4"]
        one.pop("gateway", None)
    return changed


def _with_other_names(result: Json) -> Json:
    changed: Json = copy.deepcopy(result)
    for number, one in enumerate(changed["interfaces"]):
        one["name"] = f"nowhere{number}"
    return changed


CLAUSES = (consults_previous_result, right_after_add, says_nothing, changes_nothing)
