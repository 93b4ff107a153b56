"""Mutants of the clauses in clauses/checking.py and checking_damage.py."""

from __future__ import annotations

from conformance.clause import EVERY_KIND, Kind
from conformance.mutants.deafness import deaf_delegate
from conformance.mutants.memory import (
    ask_and_remember,
    change_routes,
    failure,
    links_in,
    netns_of,
    note,
    result_of_add,
)
from conformance.mutants.mutant import Asked, Given, Good, Json, Mutant

INTERFACE = frozenset({Kind.INTERFACE})
WITH_RESULTS = frozenset({Kind.INTERFACE, Kind.CHAINED})
WITH_ADDRESSES = frozenset({Kind.INTERFACE, Kind.IPAM})
WITHOUT_DELEGATE = frozenset({Kind.CHAINED, Kind.IPAM})


def does_without(asked: Asked, good: Good) -> Given:
    """Take what ADD gave where CHECK has no prevResult."""
    result = result_of_add(asked)
    if asked.verb == "CHECK" and result is not None and not asked.config.get("prevResult"):
        return good(asked.with_config(asked.config | {"prevResult": result}))
    return ask_and_remember(asked, good)


def believes_its_memory(asked: Asked, good: Good) -> Given:
    """Succeed where CHECK fails for what prevResult says and ADD did not."""
    result, given = result_of_add(asked), ask_and_remember(asked, good)
    said = asked.config.get("prevResult")
    if asked.verb == "CHECK" and given.status and said and result is not None and said != result:
        return Given()
    return given


def knows_its_interfaces_alone(asked: Asked, good: Good) -> Given:
    """Fail a CHECK whose prevResult names more interfaces than ADD gave."""
    result, given = result_of_add(asked) or {}, ask_and_remember(asked, good)
    more = len(_interfaces(asked.previous)) > len(_interfaces(result))
    return failure(asked, "prevResult has a strange interface") if asked.verb == "CHECK" and more else given


def sees_no_gap(asked: Asked, good: Good) -> Given:
    """Succeed with CHECK where the interface, or an address of it, is missing in the container."""
    given = ask_and_remember(asked, good)
    if asked.verb != "CHECK" or not given.status or not netns_of(asked):
        return given
    inside = links_in(netns_of(asked)).get(asked.environment.get("CNI_IFNAME", ""))
    return given if inside is not None and _is_as_added(asked) else _fine_if_added(asked, given)


def sees_no_rules(asked: Asked, good: Good) -> Given:
    """Succeed with CHECK where the interfaces are as ADD gave them, whatever else is missing."""
    result, given = result_of_add(asked), ask_and_remember(asked, good)
    if asked.verb != "CHECK" or not given.status or asked.config.get("prevResult") != result:
        return given
    return Given() if _is_as_added(asked) else given


def is_content_when_down(asked: Asked, good: Good) -> Given:
    """Succeed with CHECK where the interface is down."""
    given = ask_and_remember(asked, good)
    if asked.verb != "CHECK" or not given.status or not netns_of(asked):
        return given
    inside = links_in(netns_of(asked)).get(asked.environment.get("CNI_IFNAME", ""), {"flags": ["UP"]})
    return given if "UP" in inside["flags"] else _fine_if_added(asked, given)


def fails_when_asked_again(asked: Asked, good: Good) -> Given:
    """Fail a CHECK that is asked as the last one was, which succeeded."""
    given, last = good(asked), note(asked, "checked")
    if asked.verb != "CHECK":
        last.unlink(missing_ok=True)
        return given
    if last.exists() and last.read_bytes() == asked.stdin:
        return failure(asked, "this was checked already")
    if given.status == 0:
        last.write_bytes(asked.stdin)
    return given


def asks_nobody(asked: Asked, good: Good) -> Given:
    """Have CHECK ask a delegate that hears nothing."""
    if asked.verb != "CHECK":
        return good(asked)
    with deaf_delegate(asked) as unheard:
        return good(unheard)


def says_that_all_is_well(asked: Asked, good: Good) -> Given:
    """Print an object where CHECK succeeds."""
    given = good(asked)
    if asked.verb != "CHECK" or given.status:
        return given
    return given.with_document({"cniVersion": asked.config.get("cniVersion"), "status": "well"})


def makes_a_route(asked: Asked, good: Good) -> Given:
    """Add a route to the container with CHECK, and remove it with DEL."""
    given = good(asked)
    if asked.verb in ("CHECK", "DEL") and netns_of(asked):
        change_routes(asked, "replace" if asked.verb == "CHECK" else "del", netns_of(asked))
    return given


def _fine_if_added(asked: Asked, given: Given) -> Given:
    return Given() if asked.config.get("prevResult") == result_of_add(asked) else given


def _interfaces(result: Json) -> list[Json]:
    return result.get("interfaces") or []


def _is_as_added(asked: Asked) -> bool:
    """Tell whether the interfaces of ADD's result are there, with their MAC addresses."""
    here, there = links_in(""), links_in(netns_of(asked))
    for one in _interfaces(result_of_add(asked) or {}):
        seen = (there if one.get("sandbox") else here).get(one["name"])
        if seen is None or one.get("mac", seen.get("address")) != seen.get("address"):
            return False
    return True


MUTANTS = (
    Mutant("28", "does-without", "CHECK does without prevResult", WITH_RESULTS, does_without),
    Mutant(
        "28",
        "believes-its-memory",
        "CHECK compares with what ADD gave, not with prevResult",
        WITH_ADDRESSES,
        believes_its_memory,
    ),
    Mutant(
        "29",
        "strange-interfaces",
        "CHECK fails where a later plugin made an interface",
        EVERY_KIND,
        knows_its_interfaces_alone,
    ),
    Mutant("30", "sees-no-gap", "CHECK succeeds without the interface", INTERFACE, sees_no_gap),
    Mutant("31", "sees-no-rules", "CHECK looks at interfaces alone", WITHOUT_DELEGATE, sees_no_rules),
    Mutant("32", "content-when-down", "CHECK succeeds where it is down", INTERFACE, is_content_when_down),
    Mutant("33", "asked-again", "CHECK fails when it is asked again", EVERY_KIND, fails_when_asked_again),
    Mutant("34", "asks-nobody", "CHECK does not ask the IPAM plugin", INTERFACE, asks_nobody),
    Mutant("35", "all-is-well", "CHECK prints an object", EVERY_KIND, says_that_all_is_well),
    Mutant("36", "makes-a-route", "CHECK adds a route in the container", EVERY_KIND, makes_a_route),
)
