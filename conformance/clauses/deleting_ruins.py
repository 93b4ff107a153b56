"""DEL where something is missing already: it succeeds, and does what is left to do."""

from __future__ import annotations

from collections.abc import Callable

from conformance.case import Attachment, Case, said
from conformance.clause import Kind, Level, clause, expect
from conformance.leftovers import begin, expect_same, lose_netns, see, wipe_state
from conformance.tampering import own_host_ends, tamper, tamperings
from conformance.world.looking import links

Ruin = Callable[[Case, Attachment], None]


@clause("21", Level.MUST, "2, DEL", "deletes what others have removed already")
def interface_is_missing(case: Case) -> None:
    """A DEL succeeds where the interface in the container, its other end, or what else ADD made is missing.

    An administrator's hand, a firewall's restart or the kernel may have been there before.
    """
    ruins: list[tuple[str, Ruin]] = [("the interface in the container was removed", _remove_inside)]
    if case.kind is Kind.INTERFACE:
        ruins.append(("its interfaces on the host were removed", _remove_outside))
    for what, ruin in ruins:
        added = case.add(case.attachment())
        ruin(case, added)
        answer = case.ask("DEL", added)
        expect(answer.succeeded, f"DEL failed after {what}: {said(answer)}")
    for one in tamperings(case):
        added = case.add(case.attachment())
        made = tamper(case, added, one)
        answer = case.ask("DEL", added)
        expect(answer.succeeded, f"DEL failed after {made}: {said(answer)}")


@clause("24", Level.SHOULD, "2, DEL", "deletes when the namespace or its own files are gone")
def namespace_is_missing(case: Case) -> None:
    """A DEL succeeds where CNI_NETNS names what is gone, and where the plugin's own files are gone.

    So it is after a machine's restart, and after a crash of the runtime. An error would be answered by
    asking again, for ever.
    """
    added = case.add(case.attachment())
    lose_netns(case, added)
    answer = case.ask("DEL", added)
    expect(answer.succeeded, f"DEL failed after the namespace was removed: {said(answer)}")
    added = case.add(case.attachment())
    wipe_state(case)
    answer = case.ask("DEL", added)
    expect(answer.succeeded, f"DEL failed after the plugin's own files were removed: {said(answer)}")


@clause("25", Level.SHOULD, "2, DEL", "cleans the host when the namespace is gone")
def cleans_the_host(case: Case) -> None:
    """A DEL whose namespace is gone still has its delegate release the addresses, and cleans up the host.

    Otherwise each container that ends badly costs an address, and its rules apply to the next that has the
    address.
    """
    begin(case)
    before = see(case)
    for what, path in (("is gone", None), ("is not named", "")):
        added = case.add(case.attachment())
        lose_netns(case, added)
        calls = len(case.delegate.calls("DEL"))
        case.ask("DEL", added, env={"CNI_NETNS": added.netns.path if path is None else path})
        asked = len(case.delegate.calls("DEL")) > calls
        if case.delegates:
            expect(asked, f"DEL did not ask the IPAM plugin to release, where the namespace {what}")
        expect_same(case, before, f"DEL left something on the host, where the namespace {what}")


def _remove_inside(case: Case, attachment: Attachment) -> None:
    netns = attachment.netns.path
    if attachment.ifname == "lo":
        case.do("ip", "link", "set", "lo", "down", netns=netns)  # it cannot be removed
    elif attachment.ifname in links(netns):
        case.do("ip", "link", "del", attachment.ifname, netns=netns)


def _remove_outside(case: Case, attachment: Attachment) -> None:
    for name in own_host_ends(attachment):
        case.do("ip", "link", "del", name)


CLAUSES = (interface_is_missing, namespace_is_missing, cleans_the_host)
