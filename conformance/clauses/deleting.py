"""DEL of what is there: everything goes, and it may be asked again, or with less than ADD had."""

from __future__ import annotations

from conformance.case import Attachment, Case, said
from conformance.clause import Kind, Level, NotApplicable, clause, expect
from conformance.leftovers import begin, expect_same, see
from conformance.world.looking import links

GONE = "/run/netns/never-was"


@clause("19", Level.SHOULD, "2, DEL", "takes back with DEL all that ADD made")
def undoes_add(case: Case) -> None:
    """After DEL the host, the container and the plugin's files are as they were before ADD.

    A machine that starts and stops containers for months must not fill up with links, rules, routes,
    addresses and files of those that are gone. What a plugin makes once for all containers may stay.
    """
    begin(case)
    attachment = case.attachment()
    before = see(case, attachment.netns)
    added = case.add(attachment)
    case.delete(added)
    if case.kind is Kind.INTERFACE and case.profile.makes:
        left = attachment.ifname in links(attachment.netns.path)
        expect(not left, f"after DEL {attachment.ifname} is still in the container")
    expect_same(case, before, "DEL left something behind", attachment.netns)


@clause("20", Level.MUST, "2, DEL", "succeeds with a DEL that is repeated")
def repeated(case: Case) -> None:
    """A second and a third DEL of the same container and interface succeed.

    A runtime that lost the answer asks again; one that hears an error asks for ever, and the container is
    never gone.
    """
    added = case.add(case.attachment())
    case.delete(added)
    for nth in ("second", "third"):
        answer = case.ask("DEL", added)
        expect(answer.succeeded, f"the {nth} DEL of one interface failed: {said(answer)}")


@clause("22", Level.SHOULD, "2, DEL", "deletes without prevResult")
def without_previous_result(case: Case) -> None:
    """A DEL whose configuration has no `prevResult` succeeds.

    Runtimes hand it over from CNI 0.4.0 on where they know it; one that lost its memory has none, and must
    still be able to clean up.
    """
    added = case.add(case.attachment())
    config = case.config(added)
    config.pop("prevResult", None)
    answer = case.ask("DEL", added, config=config)
    expect(answer.succeeded, f"DEL without prevResult failed: {said(answer)}")


@clause("23", Level.MUST, "2, DEL", "deletes without CNI_NETNS")
def without_netns(case: Case) -> None:
    """A DEL succeeds whose CNI_NETNS is empty, or is not set at all: for DEL it is optional.

    Runtimes ask so when the container's namespace has gone before its networks were taken down.
    """
    for what, value in (("an empty CNI_NETNS", ""), ("no CNI_NETNS", None)):
        added = case.add(case.attachment())
        answer = case.ask("DEL", added, env={"CNI_NETNS": value})
        expect(answer.succeeded, f"DEL with {what} failed: {said(answer)}")


@clause("26", Level.BEHAVIOUR, "2, DEL", "deletes after an ADD that failed")
def after_a_failed_add(case: Case) -> None:
    """A DEL succeeds after an ADD that failed: every ADD is followed by one, a failed one too."""
    attachment = _with_a_failed_add(case)
    answer = case.ask("DEL", attachment)
    expect(answer.succeeded, f"DEL failed after an ADD that had failed: {said(answer)}")


@clause("27", Level.BEHAVIOUR, "2, DEL", "deletes what was never added")
def without_an_add(case: Case) -> None:
    """A DEL succeeds, and changes nothing, for a container that this plugin never heard of.

    A runtime that ended between its own record and the call cannot know whether the plugin was asked.
    """
    begin(case)
    attachment = case.attachment()
    before = see(case, attachment.netns)
    config = case.config(attachment)
    config.pop("prevResult", None)
    answer = case.ask("DEL", attachment, config=config)
    expect(answer.succeeded, f"DEL without an ADD before it failed: {said(answer)}")
    expect_same(case, before, "DEL of what was never added changed something", attachment.netns)


def _with_a_failed_add(case: Case) -> Attachment:
    """Return an attachment whose ADD has failed: addresses, a namespace or prevResult could not be had."""
    if case.delegates:
        case.delegate.behave(ADD={"code": 11, "msg": "no addresses now"})
        attachment = case.attachment()
        answer = case.ask("ADD", attachment)
        case.delegate.behave()
        if not answer.succeeded:
            return attachment
    attachment = case.attachment()
    if not case.ask("ADD", attachment, env={"CNI_NETNS": GONE}).succeeded:
        return attachment
    attachment = case.attachment()
    config = case.config(attachment)
    if config.pop("prevResult", None) is None or case.ask("ADD", attachment, config=config).succeeded:
        raise NotApplicable("no ADD of it fails for the lack of addresses, of a namespace or of prevResult")
    return attachment


CLAUSES = (undoes_add, repeated, without_previous_result, without_netns, after_a_failed_add, without_an_add)
