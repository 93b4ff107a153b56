"""Many calls at once, and many rounds one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from conformance.calls import Answer, make_calls
from conformance.case import Attachment, Case, Step
from conformance.clause import Level, clause, expect
from conformance.leftovers import lose_netns
from conformance.robust.leavings import again, renew, rounds_within, settle, watch
from conformance.robust.sanity import expect_success

CROWD = 16  # calls at once
LOOPBACK = ("127.", "::1/")  # each container has these
ROUNDS, FEWEST, BUDGET = 20, 6, 6  # of ADD and DEL; fewer where they take longer than seconds in all


@clause("robust-storm", Level.ROBUST, "beyond", "serves sixteen calls at once", seconds=120)
def storm(case: Case) -> None:
    """Sixteen ADDs at once, then eight DELs and eight ADDs, then all DELs: all succeed, nothing is left.

    This is what a node does that starts again with its pods. What a network's containers share may outlast
    the storm, where each DEL saw others at work, but not the next DEL.
    """
    settle(case)
    first = [case.attachment() for _ in range(CROWD)]
    second = [case.attachment() for _ in range(CROWD // 2)]
    before = watch(case, *first[:2], *second[:2])
    first = _added(case, first, _at_once(case, [("ADD", one) for one in first]))
    leaving, staying = first[: CROWD // 2], first[CROWD // 2 :]
    both = zip(leaving, second, strict=True)
    mixed = [call for old, new in both for call in (("DEL", old), ("ADD", new))]
    answers = _at_once(case, mixed)
    second = _added(case, second, answers[1::2])
    _at_once(case, [("DEL", one) for one in (*staying, *second)])
    for one in (*first, *second):
        renew(case, one)
    again(case, first[0])
    before.expect_same("storms of ADDs and DELs")


@clause("robust-leaks", Level.ROBUST, "beyond", "leaves nothing, however often it is used", seconds=120)
def leaks(case: Case) -> None:
    """After twenty rounds of ADD and DEL all is as after the first: links, routes, rules, files, leases.

    Half of the rounds are of one container that comes and goes, half of containers that go with their
    namespace before DEL. (A slow plugin is judged by fewer rounds.)
    """
    takes = settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    count = rounds_within(BUDGET, takes, most=ROUNDS, least=FEWEST)
    for _ in range(count // 2):
        again(case, attachment)
    for number in range(count - count // 2):
        going = case.add(case.attachment(container=f"going-{number}"))
        lose_netns(case, going)
        case.delete(going)
    before.expect_same(f"{count} rounds of ADD and DEL")


def _at_once(case: Case, asked: Sequence[tuple[str, Attachment]]) -> list[Answer]:
    calls = [case.call(verb, one) for verb, one in asked]
    answers = make_calls(calls)
    for (verb, _), call, answer in zip(asked, calls, answers, strict=True):
        case.steps.append(Step(f"(at once) {call}", str(answer)))
        expect_success(answer, f"{verb} beside {len(calls) - 1} other calls")
    return answers


def _added(case: Case, attachments: Sequence[Attachment], answers: Sequence[Answer]) -> list[Attachment]:
    both = zip(attachments, answers, strict=True)
    done = [replace(one, result=answer.document() or one.previous) for one, answer in both]
    listed = [ip.get("address", "") for one in done for ip in (one.result or {}).get("ips", [])]
    found = [one for one in listed if not one.startswith(LOOPBACK)]
    given = [ip.get("address") for one in done for ip in (one.previous or {}).get("ips", [])]
    distinct = given or case.profile.shares_addresses or len(found) == len(set(found))
    expect(distinct, f"two containers got one address: {sorted(found)}")
    return done


CLAUSES = (storm, leaks)
