"""Mutants of the clauses in clauses/deleting.py and deleting_ruins.py.

Each does first what the good plugin does, so that nothing is left but the fault that it stands for.
"""

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
from conformance.mutants.mutant import ROBUST, Asked, Given, Good, Mutant

WITH_INTERFACES = frozenset({Kind.INTERFACE, Kind.CHAINED})


def leaves_a_route_inside(asked: Asked, good: Good) -> Given:
    """Leave a route in the container of an attachment that was added."""
    was_added = result_of_add(asked) is not None
    given = ask_and_remember(asked, good)
    if asked.verb == "DEL" and was_added and netns_of(asked):
        change_routes(asked, "replace", netns_of(asked))
    return given


def fails_the_second_time(asked: Asked, good: Good) -> Given:
    """Fail a DEL that comes after another one."""
    given, deleted = good(asked), note(asked, "deleted")
    if asked.verb == "ADD":
        deleted.unlink(missing_ok=True)
    elif asked.verb == "DEL" and given.status == 0:
        if deleted.exists():
            return failure(asked, "this interface has been deleted already")
        deleted.touch()
    return given


def needs_the_interface(asked: Asked, good: Good) -> Given:
    """Fail a DEL of what was added where the interface has gone from the container."""
    wanted = asked.verb == "DEL" and netns_of(asked) and result_of_add(asked) is not None
    is_missing = wanted and asked.environment.get("CNI_IFNAME") not in links_in(netns_of(asked))
    given = ask_and_remember(asked, good)
    return failure(asked, "there is no such interface in the container") if is_missing else given


def needs_the_result(asked: Asked, good: Good) -> Given:
    """Fail a DEL of what was added without prevResult, in the versions in which runtimes must give it."""
    speaks = asked.config.get("cniVersion") in ("0.4.0", "1.0.0", "1.1.0")
    wanted = asked.verb == "DEL" and speaks and result_of_add(asked) is not None
    given = ask_and_remember(asked, good)
    return failure(asked, "prevResult is missing") if wanted and not asked.config.get("prevResult") else given


def needs_a_name_of_the_namespace(asked: Asked, good: Good) -> Given:
    """Fail a DEL of what was added where CNI_NETNS is empty or not set."""
    wanted = asked.verb == "DEL" and result_of_add(asked) is not None
    given = ask_and_remember(asked, good)
    is_missing = wanted and not asked.environment.get("CNI_NETNS")
    return failure(asked, "CNI_NETNS is missing") if is_missing else given


def needs_the_namespace(asked: Asked, good: Good) -> Given:
    """Fail a DEL of what was added where CNI_NETNS is the path of nothing."""
    wanted = asked.verb == "DEL" and result_of_add(asked) is not None
    given = ask_and_remember(asked, good)
    is_missing = wanted and asked.environment.get("CNI_NETNS") and not netns_of(asked)
    return failure(asked, "CNI_NETNS cannot be opened") if is_missing else given


def leaves_a_route_on_the_host(asked: Asked, good: Good) -> Given:
    """Leave a route on the host where what was added is deleted after its namespace."""
    was_added = result_of_add(asked) is not None
    given = ask_and_remember(asked, good)
    if asked.verb == "DEL" and was_added and not links_in(note(asked, "netns").read_text()):
        change_routes(asked, "replace")
    return given


def asks_nobody_without_netns(asked: Asked, good: Good) -> Given:
    """Have DEL ask a delegate that hears nothing, where the namespace of what was added is gone."""
    if asked.verb != "DEL" or result_of_add(asked) is None or netns_of(asked):
        return ask_and_remember(asked, good)
    if links_in(note(asked, "netns").read_text()):
        return ask_and_remember(asked, good)
    with deaf_delegate(asked) as unheard:
        return good(unheard)


def fails_after_a_failed_add(asked: Asked, good: Good) -> Given:
    """Fail the DEL that follows an ADD that failed."""
    given, failed = good(asked), note(asked, "failed")
    if asked.verb == "ADD" and given.status != 0:
        failed.touch()
    elif asked.verb == "DEL" and failed.exists():
        failed.unlink()
        return failure(asked, "the ADD before this failed: there is nothing to delete")
    return given


def needs_an_add(asked: Asked, good: Good) -> Given:
    """Fail the DEL of an attachment that nobody tried to add."""
    given = good(asked)
    if asked.verb == "ADD":
        note(asked, "tried").touch()
    never = asked.verb == "DEL" and given.status == 0 and not note(asked, "tried").exists()
    return failure(asked, "this container is not known") if never else given


MUTANTS = (
    Mutant(
        "19", "a-route", "a route stays in the container after DEL", EVERY_KIND, leaves_a_route_inside, ROBUST
    ),
    Mutant("20", "second-time", "the second DEL fails", EVERY_KIND, fails_the_second_time, ROBUST),
    Mutant(
        "21",
        "needs-the-interface",
        "DEL fails where the interface has gone",
        WITH_INTERFACES,
        needs_the_interface,
        ROBUST | {"48"},  # its DEL comes after a GC that took the interface
    ),
    Mutant("22", "needs-the-result", "DEL fails without prevResult", EVERY_KIND, needs_the_result, ROBUST),
    Mutant(
        "23",
        "needs-netns",
        "DEL fails without CNI_NETNS",
        EVERY_KIND,
        needs_a_name_of_the_namespace,
        ROBUST,
    ),
    Mutant(
        "24", "needs-the-namespace", "DEL fails after its namespace", EVERY_KIND, needs_the_namespace, ROBUST
    ),
    Mutant(
        "25",
        "a-route-on-the-host",
        "a route stays on the host after a DEL that came after the namespace's end",
        EVERY_KIND,
        leaves_a_route_on_the_host,
        ROBUST,
    ),
    Mutant(
        "25",
        "asks-nobody",
        "the delegate is not asked to release where the namespace is gone",
        frozenset({Kind.INTERFACE}),
        asks_nobody_without_netns,
        ROBUST,
    ),
    Mutant(
        "26",
        "after-a-failure",
        "DEL fails after an ADD that failed",
        EVERY_KIND,
        fails_after_a_failed_add,
        ROBUST,
    ),
    Mutant(
        "27",
        "needs-an-add",
        "DEL fails for a container that was never added",
        EVERY_KIND,
        needs_an_add,
        ROBUST,
    ),
)
