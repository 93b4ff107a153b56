"""What an ADD that failed leaves: nothing, neither with the delegate nor on the machine."""

from __future__ import annotations

from conformance.case import Attachment, Case
from conformance.clause import Kind, Level, NotApplicable, clause, expect
from conformance.faults import (
    DELEGATE_FAILS,
    ENDS_EARLY,
    INVALID_CONFIG,
    NAME_IS_MISSING,
    NAME_IS_TAKEN,
    NETNS_IS_A_FILE,
    NETNS_IS_MISSING,
    NO_ADDRESS,
    NO_ROUTE,
    Fault,
)
from conformance.leftovers import begin, expect_same, see
from conformance.world.dumps import difference

AFTER_THE_DELEGATE = (NO_ADDRESS, NO_ROUTE, NAME_IS_TAKEN, NETNS_IS_MISSING, NETNS_IS_A_FILE)
ALL = (DELEGATE_FAILS, *AFTER_THE_DELEGATE, NAME_IS_MISSING, INVALID_CONFIG, ENDS_EARLY)


@clause(
    "17",
    Level.SHOULD,
    "4, Delegated plugin execution procedure",
    "releases the delegate's allocation where ADD fails",
    kinds=frozenset({Kind.INTERFACE}),
    seconds=60,
)
def releases(case: Case) -> None:
    """An ADD that fails runs the delegate with DEL before it returns.

    Else the address is lost: the runtime may never come back for a container that it could not start. The
    delegate is run with DEL also where it was the delegate that failed, because it may have done a part.
    """
    if not case.delegates:
        raise NotApplicable("it has no delegate")
    if not DELEGATE_FAILS.ask(case, case.attachment()).succeeded:
        verbs = [call.verb for call in case.delegate.calls()]
        case.note("calls of the delegate", ", ".join(verbs))
        expect(
            verbs[-1:] == ["DEL"],
            f"the delegate's ADD failed, and it was not run with DEL: {', '.join(verbs)}",
        )
    for fault in AFTER_THE_DELEGATE:
        if not fault.applies(case) or fault.ask(case, fault.prepare(case)).succeeded:
            continue  # it can do without what was missing, or another clause tells
        held = case.delegate.held()
        case.note("attachments that hold addresses", held)
        expect(held == 0, f"{fault.what} failed, and the delegate still holds its address")


@clause("18", Level.BEHAVIOUR, "2, ADD", "leaves nothing behind where ADD fails", seconds=60)
def leaves_nothing(case: Case) -> None:
    """After an ADD that failed, the host, the container and the plugin's files are as they were.

    A runtime may try again at once, with another namespace, and finds half of an interface in its way. What
    the plugin makes once for all containers is there before; addresses that a delegate holds are for another
    clause.
    """
    begin(case)
    prepared = [(fault, fault.prepare(case)) for fault in ALL if fault.applies(case)]
    namespaces = [attachment.netns for _, attachment in prepared]
    before = see(case, *namespaces)
    failing = [fault for fault, attachment in prepared if _fails(case, fault, attachment)]
    if not failing:
        raise NotApplicable("none of the faults that can be provoked lets its ADD fail")
    changes = difference(before, see(case, *namespaces))
    case.note("what has come (+) and gone (-)", "\n".join(changes) or "nothing")
    for fault in failing if changes else ():
        _leaves_nothing(case, fault)


def _fails(case: Case, fault: Fault, attachment: Attachment) -> bool:
    """Make the call; what succeeded is taken back with DEL."""
    succeeded = fault.ask(case, attachment).succeeded
    if succeeded:
        case.ask("DEL", attachment)
    case.delegate.forget()
    return not succeeded


def _leaves_nothing(case: Case, fault: Fault) -> None:
    """Look which fault it is that leaves something."""
    attachment = fault.prepare(case)
    before = see(case, attachment.netns)
    if _fails(case, fault, attachment):
        expect_same(case, before, f"{fault.what} failed, and left something behind", attachment.netns)


CLAUSES = (releases, leaves_nothing)
