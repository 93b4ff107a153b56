"""CHECK where something was changed: a later plugin may have; what is missing must be told."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from conformance.case import Attachment, Case, said
from conformance.clause import Kind, Level, NotApplicable, clause, expect
from conformance.clauses.checking import SINCE, added_and_sound
from conformance.tampering import Tampering, own_addresses, routes_of, tamper, tamperings
from conformance.world.looking import links, routes

Json = dict[str, Any]
INTERFACE = frozenset({Kind.INTERFACE})
LATER_ROUTES = ("203.0.113.0/24", "2001:db8:88::/64")  # documentation's (RFC 5737, RFC 3849)
OTHER_MAC = "02:00:5e:10:00:01"


@clause("29", Level.MUST, "2, CHECK", "bears what later plugins changed", since=SINCE)
def later_plugins(case: Case) -> None:
    """CHECK succeeds after a later plugin of the chain has added to what is there, and told so in its result.

    Here: a route, an interface of its own with an address, a default route that has gone. `prevResult` of
    CHECK is the last plugin's result, so that all of it is named there.
    """
    added = added_and_sound(case)
    for what, change in (
        (" a route", _add_route),
        (" another interface", _add_interface),
        (" routes", _drop_routes),
    ):
        result = change(case, added)
        if result is None:
            continue
        answer = case.check(added, config=case.config(added) | {"prevResult": result})
        verb = "took away" if change is _drop_routes else "added"
        expect(answer.succeeded, f"CHECK failed after a later plugin {verb}{what}: {said(answer)}")
        added = Attachment(added.container, added.ifname, added.netns, added.network, added.previous, result)


@clause("30", Level.SHOULD, "2, CHECK", "notices that an interface, address or route is missing", since=SINCE)
def result_is_missing(case: Case) -> None:
    """CHECK fails where an interface, address or route is missing that the plugin made and its result names.

    CHECK is how a runtime learns that a container's network has to be made anew; a CHECK that always succeeds
    is worse than none.
    """
    case.need(SINCE, "CHECK")
    if case.kind is Kind.IPAM:
        raise NotApplicable("an IPAM plugin makes nothing; that its reservations are there is clause 31")
    first = case.add(case.attachment())
    ways = list(_damages(first))
    if not ways:
        raise NotApplicable("its result names nothing that it made itself")
    for nth in range(len(ways)):
        added = first if nth == 0 else case.add(case.attachment())
        made = next(way for at, way in enumerate(_damages(added)) if at == nth)
        tamper(case, added, made)
        answer = case.check(added)
        expect(not answer.succeeded, f"CHECK succeeded after {made}")


@clause(
    "31", Level.SHOULD, "2, CHECK", "notices that rules, shaping or reservations are missing", since=SINCE
)
def what_no_result_names(case: Case) -> None:
    """CHECK fails where something is missing that no result names, and that the container's network needs.

    Firewall rules, traffic shaping, reserved addresses, settings: they are what others' programs remove most
    easily. The profile of the plugin's type lists the commands that do so.
    """
    case.need(SINCE, "CHECK")
    ways = tamperings(case)
    if not ways:
        raise NotApplicable("it makes nothing that its result does not name")
    for one in ways:
        added = case.add(case.attachment())
        made = tamper(case, added, one)
        answer = case.check(added)
        expect(not answer.succeeded, f"CHECK succeeded after {made}")


@clause("32", Level.SHOULD, "2, CHECK", "notices that the interface is down", kinds=INTERFACE, since=SINCE)
def is_unreachable(case: Case) -> None:
    """CHECK fails where the container's interface is down: the plugin can see that no packet reaches it."""
    case.need(SINCE, "CHECK")
    added = case.add(case.attachment())
    netns = added.netns.path
    if "UP" not in links(netns).get(added.ifname, {}).get("flags", ()):
        raise NotApplicable(f"after ADD {added.ifname} is not up")
    case.do("ip", "link", "set", added.ifname, "down", netns=netns)
    answer = case.check(added)
    expect(not answer.succeeded, f"CHECK succeeded although {added.ifname} is down in the container")


@clause(
    "34", Level.MUST, "4, Delegated plugins", "asks its delegate with CHECK", kinds=INTERFACE, since=SINCE
)
def asks_the_delegate(case: Case) -> None:
    """CHECK executes CHECK of the IPAM plugin that ADD was delegated to, and fails where that fails.

    The plugin itself cannot know whether the address is still reserved.
    """
    case.need(SINCE, "CHECK")
    if not case.delegates:
        raise NotApplicable("it delegates nothing")
    added = case.add(case.attachment())
    before = len(case.delegate.calls("CHECK"))
    case.check(added)
    asked = len(case.delegate.calls("CHECK")) > before
    expect(asked, "CHECK did not execute CHECK of the IPAM plugin")
    case.delegate.behave(CHECK={"code": 150, "msg": "the address is not reserved any more"})
    answer = case.check(added)
    expect(not answer.succeeded, "CHECK succeeded although CHECK of the IPAM plugin failed")


# --- what a later plugin may do; the result that it would give, None where there is nothing to change


def _add_route(case: Case, added: Attachment) -> Json | None:
    """Route two networks through the gateways, where the main table reaches them."""
    if case.kind is Kind.IPAM:
        return None  # there is no interface yet
    result: Json = copy.deepcopy(added.result or {})
    netns = added.netns.path
    ways = {":" in one["address"]: one.get("gateway", "") for one in result.get("ips") or ()}
    listed = [one["dst"] for one in routes(netns) if "gateway" not in one and one["dst"] != "default"]
    near = [ip_network(dst) for dst in listed]
    reached = all(any(ip_address(way) in one for one in near) for way in ways.values() if way)
    if not reached or "UP" not in links(netns).get(added.ifname, {}).get("flags", ()):
        return None
    later = [
        {"dst": dst} | ({"gw": ways[":" in dst]} if ways.get(":" in dst) else {}) for dst in LATER_ROUTES
    ]
    for route in later:
        family, via = "-6" if ":" in route["dst"] else "-4", ("via", route["gw"]) if "gw" in route else ()
        case.do("ip", family, "route", "add", route["dst"], *via, "dev", added.ifname, netns=netns)
    result["routes"] = [*(result.get("routes") or ()), *later]
    return result


def _add_interface(case: Case, added: Attachment) -> Json:
    result: Json = copy.deepcopy(added.result or {})
    netns = added.netns.path
    case.do("ip", "link", "add", "later0", "type", "veth", "peer", "name", "later1", netns=netns)
    case.do("ip", "link", "set", "later0", "up", netns=netns)
    case.do("ip", "addr", "add", "203.0.113.129/25", "dev", "later0", netns=netns)
    interfaces = [*(result.get("interfaces") or ()), {"name": "later0", "sandbox": netns}]
    interfaces[-1]["mac"] = links(netns)["later0"]["address"]
    address = {"address": "203.0.113.129/25", "interface": len(interfaces) - 1}
    old = result.get("cniVersion") == "0.4.0"
    result["interfaces"] = interfaces
    result["ips"] = [*(result.get("ips") or ()), ({"version": "4"} if old else {}) | address]
    return result


def _drop_routes(case: Case, added: Attachment) -> Json | None:
    """Take the default route of IPv4 away, as a plugin does that has its own way out."""
    result: Json = copy.deepcopy(added.result or {})
    there = [route["dst"] for route in routes(added.netns.path)]
    if "0.0.0.0/0" not in [route["dst"] for route in routes_of(result)] or "default" not in there:
        return None
    case.do("ip", "route", "del", "default", netns=added.netns.path)
    result["routes"] = [route for route in result["routes"] if route["dst"] != "0.0.0.0/0"]
    return result


# --- what somebody may do to what a result names


def _damages(added: Attachment) -> Iterator[Tampering]:
    """Return the commands that remove what this plugin's result names and the result before did not."""
    result, previous = added.result or {}, added.previous or {}
    before = own_addresses(added, previous)
    for address in [one for one in own_addresses(added, result) if one not in before][-1:]:
        yield _inside("ip", "addr", "del", address, "dev", added.ifname)
    known = [route["dst"] for route in routes_of(previous)]
    for route in [one for one in routes_of(result) if one["dst"] not in known][:1]:
        yield _inside("ip", "-6" if ":" in route["dst"] else "-4", "route", "del", route["dst"])
    yield from _damaged_interfaces(added)


def _damaged_interfaces(added: Attachment) -> Iterator[Tampering]:
    """Return what removes each interface; of a pair one end, with which the other goes."""
    previous = (added.previous or {}).get("interfaces") or ()
    macs = {(one["name"], one.get("sandbox", "")): one.get("mac") for one in previous}
    here = links()
    for one in (added.result or {}).get("interfaces") or ():
        name, sandbox = one["name"], one.get("sandbox", "")
        kind = here.get(name, {}).get("linkinfo", {}).get("info_kind")
        if (name, sandbox) in macs:
            if macs[name, sandbox] != one.get("mac"):
                yield Tampering(("ip", "link", "set", name, "address", OTHER_MAC), bool(sandbox))
        elif name != "lo" and (sandbox or kind != "veth"):
            yield Tampering(("ip", "link", "del", name), bool(sandbox))


def _inside(*words: str) -> Tampering:
    return Tampering(words, inside=True)


CLAUSES = (later_plugins, result_is_missing, what_no_result_names, is_unreachable, asks_the_delegate)
