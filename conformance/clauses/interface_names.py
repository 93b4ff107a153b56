"""What a plugin does with CNI_IFNAME."""

from __future__ import annotations

from ipaddress import ip_interface

from conformance.case import Attachment, Case
from conformance.clause import Kind, Level, NotApplicable, clause, expect, fail
from conformance.world.looking import links

INTERFACE = frozenset({Kind.INTERFACE})
UNUSUAL = "wan0"
# None can be an interface's name (dev_valid_name of net/core/dev.c)
IMPOSSIBLE = ("a-name-of-20-letters", "with/slash", "with space", "..")


def _need_made(case: Case) -> None:
    if not case.profile.makes:
        raise NotApplicable("it makes no interface")


@clause("2", Level.MUST, "2, Parameters", "fails if it cannot use CNI_IFNAME", kinds=INTERFACE)
def impossible_names(case: Case) -> None:
    """An ADD whose CNI_IFNAME cannot be an interface's name must fail.

    A plugin that takes another name in its place leaves the runtime, and every plugin after it, with an
    interface that they do not find.
    """
    _need_made(case)
    for name in IMPOSSIBLE:
        answer = case.ask("ADD", case.attachment(), env={"CNI_IFNAME": name})
        expect(not answer.succeeded, f"ADD succeeded with CNI_IFNAME {name!r}, which no interface can have")


@clause(
    "10",
    Level.SHOULD,
    "2, ADD",
    "makes CNI_IFNAME in CNI_NETNS, with the addresses that it prints",
    kinds=INTERFACE,
)
def makes_the_interface(case: Case) -> None:
    """After ADD the interface CNI_IFNAME is in CNI_NETNS, and has the addresses of the result.

    Tried with the usual name, and with one that is unusual.
    """
    for name in (case.profile.ifname, UNUSUAL) if case.profile.makes else (case.profile.ifname,):
        added = case.add(case.attachment(ifname=name))
        there = links(added.netns.path)
        case.note("interfaces in the container", ", ".join(there))
        expect(name in there, f"ADD succeeded, and {added.netns.path} has no interface {name}")
        _has_addresses(added, there[name]["addr_info"])


def _has_addresses(added: Attachment, found: list[dict[str, object]]) -> None:
    there = {f"{one['local']}/{one['prefixlen']}" for one in found}
    result = added.result or {}
    interfaces = result.get("interfaces") or []
    for one in result.get("ips") or ():
        at = one.get("interface")
        if isinstance(at, int) and not (
            0 <= at < len(interfaces) and interfaces[at].get("name") == added.ifname
        ):
            continue
        try:
            address = str(ip_interface(one["address"]))
        except (KeyError, TypeError, ValueError):  # clause 15 tells
            continue
        if "/" in str(one["address"]) and address not in there:
            has = ", ".join(sorted(there)) or "none"
            fail(f"ADD printed {one['address']} for {added.ifname}, which has {has}")


@clause("12", Level.MUST, "2, ADD", "refuses an interface name that is taken", kinds=INTERFACE)
def name_is_taken(case: Case) -> None:
    """An ADD whose CNI_IFNAME exists in CNI_NETNS already must fail, and leave that interface as it is.

    A runtime that asks twice by mistake must hear of it; two interfaces of one name cannot be.
    """
    _need_made(case)
    attachment = case.attachment()
    inside, peer = attachment.netns.path, ("type", "veth", "peer", "name", "other0")
    case.do("ip", "link", "add", attachment.ifname, *peer, netns=inside)
    before = case.do("ip", "-o", "link", "show", netns=inside)
    answer = case.ask("ADD", attachment)
    expect(not answer.succeeded, f"ADD succeeded although {attachment.ifname} was there")
    after = case.do("ip", "-o", "link", "show", netns=inside)
    changed = set(before.splitlines()) - set(after.splitlines())
    expect(not changed, "ADD failed, but the interfaces that were there are not as they were")


CLAUSES = (impossible_names, makes_the_interface, name_is_taken)
