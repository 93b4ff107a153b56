"""When a verb is called at all."""

from __future__ import annotations

from conformance.clause import Level, expect
from conformance.runtime.case import RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.clauses.asking import added, refusal, types_of


@runtime_clause("74", Level.MUST, "2, CHECK; 1, disableCheck", "checks only what is attached", since="0.4.0")
def checks_what_is_attached(case: RuntimeCase) -> None:
    """No CHECK before an ADD, after the DEL, or where the list has disableCheck; there a check succeeds.

    A plugin reads in prevResult what to look for: without an ADD there is none.
    """
    case.need("check")
    container = case.container()
    case.network()
    case.run("check", container)
    expect(not case.calls("CHECK"), "a plugin was called with CHECK before there was an ADD")
    case.network(disableCheck=True)
    added(case, container)
    answer = case.run("check", container)
    expect(not case.calls("CHECK"), "a plugin was called with CHECK although the list has disableCheck")
    expect(answer.succeeded, f"check failed although the list has disableCheck: {answer}")
    case.run("del", container)
    case.network()
    case.run("check", container)
    expect(not case.calls("CHECK"), "a plugin was called with CHECK after the container had been deleted")


@runtime_clause("75", Level.MUST, "1, disableGC", "asks for no GC where it is disabled", since="1.1.0")
def no_collection_where_disabled(case: RuntimeCase) -> None:
    """Where the list has disableGC no plugin is called with GC.

    It is set where two runtimes share a network, and each would clean up the other's containers.
    """
    case.need("gc")
    case.network(disableGC=True)
    container, _ = added(case)
    case.run("gc")
    case.run("del", container)
    expect(not case.calls("GC"), "a plugin was called with GC although the list has disableGC")


@runtime_clause("78", Level.SHOULD, "2, ADD", "adds no attachment a second time")
def no_second_add(case: RuntimeCase) -> None:
    """No second ADD of one container and interface name without a DEL between.

    Plugins refuse it, or give a second address that nobody will return.
    """
    case.network()
    container, calls = added(case)
    case.run("add", container)
    same = ("CNI_CONTAINERID", "CNI_IFNAME")
    key = [calls[0].environment.get(name) for name in same]
    since = case.calls("ADD", "DEL")[len(calls) :]
    again = [one for one in since if [one.environment.get(name) for name in same] == key]
    expect(
        not again or again[0].verb == "DEL",
        f"{key[0]} has {key[1]} already, but plugins were called with ADD for them again",
    )


@runtime_clause("79", Level.MUST, "3, Lifecycle & Ordering", "deletes after a failed ADD as well")
def deletes_what_failed(case: RuntimeCase) -> None:
    """Every ADD is followed by a DEL, also one that failed: for each plugin that was called.

    A plugin that fails may have left something, and those before it have.
    """
    case.network()
    container, _ = added(case)
    case.delete(container)
    missing = set("abc") - set(types_of(case.calls("DEL")))
    expect(not missing, f"del succeeded, but no DEL came for {sorted(missing)}")
    before = len(case.calls("DEL"))
    case.recording.behave(b={"ADD": refusal("b")})
    container = case.container()
    case.run("add", container)
    case.run("del", container)
    missing = {"a", "b"} - set(types_of(case.calls("DEL")[before:]))
    expect(not missing, f"ADD failed in recording-b; no DEL came for {sorted(missing)} after it, nor by del")


@runtime_clause("80", Level.MUST, "2, GC", "does not use GC in place of DEL", since="1.1.0")
def no_substitute(case: RuntimeCase) -> None:
    """What GC finds stale is deleted by DEL, or still can be: GC alone may leave what only DEL clears up."""
    case.need("gc")
    case.network()
    container, _ = added(case)
    case.run("gc")
    case.run("del", container)
    calls = case.calls("DEL")
    missing = set("abc") - set(types_of(calls))
    expect(
        not missing,
        f"after GC and del no DEL has come for {sorted(missing)}: what was attached is taken for deleted",
    )


@runtime_clause("87", Level.MUST, "1, Configuration", "checks and collects unless told not to", since="0.4.0")
def not_disabled_by_itself(case: RuntimeCase) -> None:
    """disableCheck and disableGC are false where the list does not have them."""
    if not case.has("gc"):
        case.need("check")
    case.network(disableCheck=None, disableGC=None)
    container, _ = added(case)
    if case.has("check"):
        case.run("check", container)
        expect(case.calls("CHECK"), "no plugin was called with CHECK; the list says nothing of disableCheck")
    if case.has("gc") and case.version >= "1.1.0":
        case.run("gc")
        expect(case.calls("GC"), "no plugin was called with GC; the list says nothing of disableGC")


CLAUSES = (
    checks_what_is_attached,
    no_collection_where_disabled,
    no_second_add,
    deletes_what_failed,
    no_substitute,
    not_disabled_by_itself,
)
