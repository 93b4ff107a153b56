"""STATUS: whether a plugin tells that it can serve an ADD."""

from __future__ import annotations

from conformance.calls import Answer
from conformance.case import Attachment, Case, said
from conformance.clause import CannotJudge, Clause, Kind, Level, NotApplicable, clause, expect
from conformance.profile import Json

SECTION = "2, STATUS"
REFUSAL = {"code": 50, "msg": "the judge's delegate cannot serve"}


@clause("37", Level.MUST, SECTION, "STATUS succeeds where ADD does", since="1.1.0")
def ready(case: Case) -> None:
    """STATUS must end with status 0 as long as the plugin can serve an ADD, before its first as after one.

    A runtime that hears otherwise holds the node back, and starts no pod on it.
    """
    _expect_ready(case, "before its first ADD")
    case.add(case.attachment())
    _expect_ready(case, "after an ADD that succeeded")


@clause("38", Level.MUST, SECTION, "STATUS fails where the plugin knows that ADD would fail", since="1.1.0")
def unable(case: Case) -> None:
    """STATUS must fail, with an error object, where a plugin knows that it cannot serve an ADD.

    The text's examples: all addresses are given, a daemon that it needs does not run. Its codes for this are
    50, and 51 where containers that exist are hit as well.
    """
    profile = case.profile
    if not profile.exhausted and not profile.unable:
        raise NotApplicable("its profile names no configuration with which it knows that it cannot serve")
    if profile.exhausted:
        _exhaust(case)
        _expect_unable(case, profile.exhausted, "although all that it can give is taken")
    for changes in profile.unable:
        _expect_unable(case, changes, "although it cannot serve an ADD")


@clause("39", Level.MUST, SECTION, "works on after a STATUS that failed", since="1.1.0")
def goes_on(case: Case) -> None:
    """A plugin must not rely on STATUS: other verbs work without it, and after one that failed.

    STATUS is for information only, so it neither opens nor closes anything.
    """
    held = _exhaust(case) if case.profile.exhausted else None
    if case.delegates:
        case.delegate.behave(STATUS=REFUSAL)
    changes = case.profile.exhausted or {}
    _ask(case, changes)
    case.ask("STATUS", config=case.config(version="99.0.0"))
    case.delegate.behave()
    if held:
        case.delete(held, case.config(held, changes) | {"prevResult": held.result})
    attachment = case.add(case.attachment())
    _expect(case.check(attachment), "CHECK failed after STATUS had failed")
    case.delete(attachment)


@clause(
    "40",
    Level.MUST,
    SECTION,
    "asks its delegate for STATUS",
    kinds=frozenset({Kind.INTERFACE}),
    since="1.1.0",
)
def asks_its_delegate(case: Case) -> None:
    """A plugin that needs a delegate must run STATUS of it too, and fail where that fails.

    Else nobody hears that a pool of addresses is exhausted: runtimes do not call IPAM plugins themselves.
    """
    if not case.delegates:
        raise NotApplicable("it has no delegate")
    if not _ask(case).succeeded:
        raise NotApplicable("STATUS fails although its delegate is ready (37)")
    expect(case.delegate.calls("STATUS"), "STATUS succeeded, and its delegate was not asked for STATUS")
    case.delegate.behave(STATUS=REFUSAL)
    answer = _ask(case)
    expect(not answer.succeeded, "STATUS succeeded although its delegate's STATUS failed with code 50")


def _ask(case: Case, changes: Json | None = None) -> Answer:
    case.need("1.1.0", "STATUS")
    return case.ask("STATUS", config=case.config(changes=changes))


def _expect_ready(case: Case, when: str) -> None:
    answer = _ask(case)
    if answer.succeeded:
        return
    added = case.ask("ADD", case.attachment())
    if not added.succeeded:
        raise CannotJudge(f"it cannot serve here: STATUS and ADD both failed: {said(added)}")
    expect(False, f"STATUS failed {when}, and ADD succeeds: {said(answer)}")


def _exhaust(case: Case) -> Attachment:
    """Take all that the profile's configuration for this has; the next ADD must fail."""
    changes = case.profile.exhausted
    first, second = case.attachment(), case.attachment()
    held = case.add(first, case.config(first, changes))
    answer = case.ask("ADD", second, config=case.config(second, changes))
    if answer.succeeded:
        raise CannotJudge("the profile's `exhausted` is wrong: with it a second ADD succeeded")
    case.ask("DEL", second, config=case.config(second, changes))
    return held


def _expect_unable(case: Case, changes: Json, why: str) -> None:
    answer = _ask(case, changes)
    expect(not answer.succeeded, f"STATUS succeeded {why}")
    expect("code" in answer.error(), f"STATUS failed, with no error object on stdout: {said(answer)}")


def _expect(answer: Answer, sentence: str) -> None:
    expect(answer.succeeded, f"{sentence}: {said(answer)}")


CLAUSES: tuple[Clause, ...] = (ready, unable, goes_on, asks_its_delegate)
