"""Who is called after whom, and what an error stops."""

from __future__ import annotations

from conformance.clause import Level, expect
from conformance.runtime.case import RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.clauses.asking import (
    added,
    checks,
    collections,
    deletions,
    expect_reported,
    refusal,
    types_of,
)
from conformance.runtime.records import FIRST, THIRD

ABC, CBA = ["a", "b", "c"], ["c", "b", "a"]
WELL_KNOWN = {11: "try again later", 3: "unknown container", 1: "incompatible version"}


@runtime_clause("67", Level.MUST, "3, Adding, Deleting", "adds in order, deletes in the opposite order")
def reverse_order(case: RuntimeCase) -> None:
    """ADD goes through the plugins as they are listed, DEL from the last to the first.

    A plugin that changed what another made takes its change back while that is still there. (A DEL may be
    repeated.)
    """
    case.network()
    container, calls = added(case)
    expect(types_of(calls) == ABC, f"ADD came in the order {types_of(calls)}; the list's is {ABC}")
    case.run("del", container)
    order = list(dict.fromkeys(types_of(deletions(case))))
    expect(order == CBA, f"DEL came in the order {order}; expected {CBA}")


@runtime_clause("68", Level.MUST, "3, Adding", "fails where a plugin is missing")
def missing_plugin(case: RuntimeCase) -> None:
    """An ADD to a network with a plugin whose executable is nowhere must fail.

    A container that starts without it may lack its firewall.
    """
    case.network([FIRST, "recording-missing", THIRD])
    answer = case.run("add", case.container())
    expect(not answer.succeeded, "add succeeded although the executable of recording-missing is not there")


@runtime_clause("69", Level.MUST, "3, Adding", "stops an ADD at the first error")
def add_stops(case: RuntimeCase) -> None:
    """When a plugin fails ADD, those after it are not called, and the caller is told the error."""
    case.network()
    case.recording.behave(b={"ADD": refusal("b")})
    answer = case.run("add", case.container())
    expect(not answer.succeeded, "add succeeded although recording-b failed")
    expect_reported(str(answer), refusal("b")["msg"], "the caller is not told the plugin's error")
    calls = case.calls("ADD")
    expect("c" not in types_of(calls), "recording-c was called with ADD after recording-b had failed")


@runtime_clause("70", Level.MUST, "3, Deleting", "stops a DEL at the first error")
def delete_stops(case: RuntimeCase) -> None:
    """When a plugin fails DEL, those before it in the list are not called, and the caller is told the error.

    They would take away what the failed one still needs for its next try.
    """
    case.network()
    container, _ = added(case)
    case.recording.behave(b={"DEL": refusal("b")})
    answer = case.run("del", container)
    calls = deletions(case)
    expect("a" not in types_of(calls), "recording-a was called with DEL although recording-b had failed")
    expect_reported(str(answer), refusal("b")["msg"], "the caller is not told the plugin's error")


@runtime_clause("71", Level.SHOULD, "3, Checking", "stops a CHECK at the first error", since="0.4.0")
def check_stops(case: RuntimeCase) -> None:
    """When a plugin fails CHECK the caller is told, and the plugins after it are not asked any more."""
    case.need("check")
    case.network()
    container, _ = added(case)
    case.recording.behave(b={"CHECK": refusal("b")})
    answer = case.run("check", container)
    calls = checks(case)
    expect(not answer.succeeded, "check succeeded although recording-b failed")
    expect_reported(str(answer), refusal("b")["msg"], "the caller is not told the plugin's error")
    expect("c" not in types_of(calls), "recording-c was called with CHECK after recording-b had failed")


@runtime_clause(
    "72", Level.MUST, "3, Garbage Collecting", "lets no error stop GC, and tells all", since="1.1.0"
)
def collection_goes_on(case: RuntimeCase) -> None:
    """When a plugin fails GC the others are called all the same, and the caller is told every error."""
    case.need("gc")
    case.network()
    case.recording.behave(a={"GC": refusal("a")}, c={"GC": refusal("c")})
    answer = case.run("gc")
    called = types_of(collections(case))
    expect(set(called) == set(ABC), f"GC was called for {called} only, after one of them had failed")
    expect(not answer.succeeded, "gc succeeded although two plugins failed")
    for letter in "ac":
        expect_reported(str(answer), refusal(letter)["msg"], "the caller is not told every error")


@runtime_clause("85", Level.SHOULD, "5, Error", "takes no well-known error for a success")
def well_known_errors(case: RuntimeCase) -> None:
    """A runtime may try again after code 11, with another version after 1, and need not clean up after 3.

    Whatever it does, it says that a container is attached only when the last plugin said so.
    """
    case.network()
    for code, meaning in WELL_KNOWN.items():
        before = len(case.calls("ADD"))
        case.recording.behave(b={"ADD": {"code": code, "msg": meaning}})
        container = case.container()
        answer = case.run("add", container)
        calls = case.calls("ADD")[before:]
        complete = bool(calls) and calls[-1].type == THIRD and calls[-1].status == 0
        expect(
            complete or not answer.succeeded,
            f"add succeeded although recording-b failed with code {code} ({meaning})",
        )
        case.recording.behave()
        case.run("del", container)


CLAUSES = (
    reverse_order,
    missing_plugin,
    add_stops,
    delete_stops,
    check_stops,
    collection_goes_on,
    well_known_errors,
)
