"""What a plugin does with CNI_IFNAME."""

from __future__ import annotations

from conformance.case import Case
from conformance.clause import Kind, Level, clause, expect

INTERFACE = frozenset({Kind.INTERFACE})


@clause("12", Level.MUST, "2, ADD", "refuses an interface name that is taken", kinds=INTERFACE)
def name_is_taken(case: Case) -> None:
    """An ADD whose CNI_IFNAME exists in CNI_NETNS already must fail, and leave that interface as it is.

    A runtime that asks twice by mistake must hear of it; two interfaces of one name cannot be.
    """
    if not case.profile.makes:
        return
    attachment = case.attachment()
    case.do(
        "ip",
        "link",
        "add",
        attachment.ifname,
        "type",
        "veth",
        "peer",
        "name",
        "other0",
        netns=attachment.netns.path,
    )
    before = case.do("ip", "-o", "link", "show", netns=attachment.netns.path)
    answer = case.ask("ADD", attachment)
    expect(not answer.succeeded, f"ADD succeeded although {attachment.ifname} was there")
    after = case.do("ip", "-o", "link", "show", netns=attachment.netns.path)
    expect(before == after, "ADD failed, but the interfaces that were there are not as they were")


CLAUSES = (name_is_taken,)
