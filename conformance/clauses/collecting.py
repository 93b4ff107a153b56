"""GC: what a plugin removes, whose it leaves alone, and what it tells its delegate."""

from __future__ import annotations

import json
from typing import Any

from conformance.calls import Answer
from conformance.case import Attachment, Case, said
from conformance.clause import Clause, Kind, Level, NotApplicable, clause, expect
from conformance.leftovers import begin, expect_same, lose_netns, see, summary
from conformance.world.dumps import Dump, difference

SECTION = "2, GC"
INTERFACE = frozenset({Kind.INTERFACE})
CURRENT, TAGGED = (
    "cni.dev/valid-attachments",
    "cni.dev/attachments",
)  # the latter in the text's tag spec-v1.1.0
WORDS = "the judge's delegate cannot collect"
REFUSAL = {"code": 133, "msg": WORDS}


@clause("44", Level.SHOULD, SECTION, "GC removes what no valid attachment needs", since="1.1.0", seconds=60)
def removes_stale(case: Case) -> None:
    """GC should remove all that the plugin keeps for attachments of this network that are not listed.

    It comes after crashes and reboots: a container has gone, and nobody will call DEL for it. Reservations,
    rules, devices and files of it are judged; what was in its namespace has gone by itself.
    """
    begin(case)
    valid = case.add(case.attachment())
    before = see(case)
    _make_stale(case)
    if not _left(case, before):
        raise NotApplicable("nothing of an attachment is left once its container has gone")
    answer = _collect(case, [valid])
    expect(answer.succeeded, f"GC failed: {said(answer)}")
    left = _left(case, before)
    expect(not left, f"GC left something of an attachment that is not in its list: {summary(left)}")


@clause("45", Level.MUST, SECTION, "forwards GC to its delegate", kinds=INTERFACE, since="1.1.0")
def forwards(case: Case) -> None:
    """A plugin must call its delegate for GC too, with the same configuration, the list in it.

    Runtimes do not call IPAM plugins themselves: addresses of containers that have gone would never be free.
    """
    _need_delegate(case)
    valid = case.add(case.attachment())
    _collect(case, [valid])
    calls = case.delegate.calls("GC")
    expect(calls, "GC was called, and its delegate was not")
    config = json.loads(calls[-1].stdin)
    got, sent = config.get(CURRENT, config.get(TAGGED)), _listed([valid])
    expect(got == sent, f"its delegate's list of valid attachments is {got!r}, not {sent!r}")


@clause(
    "46", Level.SHOULD, SECTION, "goes on where a part of GC fails, and tells", kinds=INTERFACE, since="1.1.0"
)
def goes_on(case: Case) -> None:
    """Where something cannot be removed, GC should remove the rest, and report the error at its end.

    Judged with a delegate whose GC fails: what is the plugin's own must be removed all the same.
    """
    _need_delegate(case)
    begin(case)
    valid = case.add(case.attachment())
    before = see(case)
    _make_stale(case)
    case.delegate.behave(GC=REFUSAL)
    answer = _collect(case, [valid])
    if not case.delegate.calls("GC"):
        raise NotApplicable("it does not call its delegate for GC (45)")
    expect(not answer.succeeded, "GC succeeded although its delegate's GC failed")
    told = WORDS in answer.stdout or answer.error().get("code") == REFUSAL["code"]
    expect(told, f"GC failed, and did not tell its delegate's error: {said(answer)}")
    left = _left(case, before)
    if not left:
        return
    case.delegate.behave()
    _collect(case, [valid])
    if _left(case, before) == left:
        raise NotApplicable("its GC removes nothing of its own, with a delegate that works neither (44)")
    expect(False, f"GC did not go on after its delegate's GC had failed; left is {summary(left)}")


@clause("47", Level.MUST, SECTION, "GC says nothing when all is well", since="1.1.0")
def is_quiet(case: Case) -> None:
    """A GC that succeeds must write nothing to stdout."""
    valid = case.add(case.attachment())
    for listed in ([valid], []):
        answer = _collect(case, listed)
        if not answer.succeeded:
            raise NotApplicable(f"GC failed (44): {said(answer)}")
        expect(not answer.stdout.strip(), f"GC succeeded and printed {answer.stdout.strip()[:200]!r}")


@clause(
    "48",
    Level.BEHAVIOUR,
    SECTION,
    "GC leaves valid attachments and other networks alone",
    since="1.1.0",
    seconds=60,
)
def leaves_others(case: Case) -> None:
    """GC must not touch an attachment that is listed, nor any of another network.

    A container may be in several networks; each is collected by itself, and none knows of the others.
    """
    begin(case)
    one, two = case.add(case.attachment()), case.add(case.attachment())
    before = see(case, one.netns, two.netns)
    _collect(case, [one, two])
    expect_same(case, before, "GC changed something, and all attachments are valid", one.netns, two.netns)
    for valid in (one, two):
        answer = case.check(valid)
        expect(answer.succeeded, f"CHECK of a valid attachment failed after GC: {said(answer)}")
    if case.profile.ifname != "lo":
        _leave_other_networks(case, [one, two])


@clause(
    "49", Level.BEHAVIOUR, SECTION, "GC reads its list under both of its names", since="1.1.0", seconds=60
)
def reads_both_names(case: Case) -> None:
    """The list is `cni.dev/valid-attachments`; in the text that was tagged 1.1.0, `cni.dev/attachments`.

    Runtimes of both kinds are in use. A plugin that reads one alone removes nothing, or what is in use.
    """
    begin(case)
    valid = case.add(case.attachment())
    before = see(case)
    for names in ((CURRENT, TAGGED), (CURRENT,), (TAGGED,)):
        _make_stale(case)
        stale = _left(case, before)
        _collect(case, [valid], names)
        left = _left(case, before)
        if len(names) == 2 and (left or not stale):
            raise NotApplicable("GC removes nothing of it here, whatever the list is called (44)")
        expect(
            not left,
            f"with the list in `{names[0]}` alone GC did not do the same as with both: {summary(left)}",
        )


@clause("50", Level.BEHAVIOUR, SECTION, "GC without a list removes nothing", since="1.1.0")
def needs_a_list(case: Case) -> None:
    """No list of valid attachments is another thing than an empty one: who says nothing must lose nothing.

    A runtime that knows of no list would else end all of a network's containers. Whether such a GC succeeds
    or fails is not judged.
    """
    begin(case)
    attachment = case.add(case.attachment())
    before = see(case, attachment.netns)
    _collect(case, [], ())
    expect_same(case, before, "GC without a list of valid attachments changed something", attachment.netns)


def _collect(case: Case, valid: list[Attachment], names: tuple[str, ...] = (CURRENT, TAGGED)) -> Answer:
    """Call GC of the network `judged`, with the list under these keys."""
    case.need("1.1.0", "GC")
    return case.ask("GC", config=case.config() | {name: _listed(valid) for name in names})


def _listed(valid: list[Attachment]) -> list[dict[str, Any]]:
    return [{"containerID": one.container, "ifname": one.ifname} for one in valid]


def _make_stale(case: Case) -> Attachment:
    """Add an attachment whose container goes without a DEL, as in a reboot."""
    case.need("1.1.0", "GC")
    stale = case.add(case.attachment())
    lose_netns(case, stale)
    return stale


def _left(case: Case, before: Dump) -> list[str]:
    """Return what of the plugin's own has come since; what its delegate holds is its delegate's."""
    changes = difference(before, see(case))
    return [line for line in changes if line.startswith("+ ") and not line.startswith("+ address held")]


def _leave_other_networks(case: Case, valid: list[Attachment]) -> None:
    """Give one container an interface in another network; that must be as it was when the one here goes."""
    other = case.add(case.attachment(container="in-both", ifname="other0", network="another"))
    here = case.attachment(container="in-both")
    case.delete(case.add(here))
    before = see(case, other.netns)
    here = case.add(here)
    _collect(case, valid)
    case.delete(here)
    lost = [line for line in difference(before, see(case, other.netns)) if line.startswith("- ")]
    expect(not lost, f"GC of one network took from another: {summary(lost)}")
    answer = case.check(other)
    expect(answer.succeeded, f"after GC of one network CHECK failed in another: {said(answer)}")


def _need_delegate(case: Case) -> None:
    if not case.delegates:
        raise NotApplicable("it has no delegate")


CLAUSES: tuple[Clause, ...] = (
    removes_stale,
    forwards,
    goes_on,
    is_quiet,
    leaves_others,
    reads_both_names,
    needs_a_list,
)
