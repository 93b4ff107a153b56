"""What goes from one call to the next: results, and the parameters that stay."""

from __future__ import annotations

import json
from typing import Any

from conformance.clause import Level, expect
from conformance.runtime.case import RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.clauses.asking import added, checks, deletions, expect_result, first_of_each
from conformance.runtime.clauses.configuration import SUPPLIED

Json = dict[str, Any]
PREVIOUS_SINCE = "0.4.0"  # prevResult of DEL, and CHECK
PARAMETERS = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS")


@runtime_clause(
    "65", Level.MUST, "3, Adding", "gives each plugin the result of the one before", since="0.3.0"
)
def gives_the_result_before(case: RuntimeCase) -> None:
    """The first ADD of a chain reads no prevResult; each after it reads the result of the one before it."""
    case.network()
    _, calls = added(case)
    before = None
    for call in calls:
        told = call.config.get("prevResult")
        if before is None:
            expect(told is None, f"{call} is the first of its chain, but read the prevResult {told}")
        else:
            expect_result(told, before.answer, f"{call}: its prevResult is not what {before.type} printed")
        before = call


@runtime_clause(
    "66", Level.MUST, "2, DEL, CHECK", "gives DEL and CHECK the final result", since=PREVIOUS_SINCE
)
def gives_the_final_result(case: RuntimeCase) -> None:
    """The prevResult of every DEL and CHECK is what the last plugin of the chain printed for ADD.

    By it a plugin finds what it made. (That there is one at all is clause 73.)
    """
    case.network()
    container, calls = added(case)
    if case.has("check"):
        case.run("check", container)
    case.run("del", container)
    for call in case.calls("CHECK", "DEL"):
        told = call.config.get("prevResult")
        if told is not None:
            expect_result(told, calls[-1].answer, f"{call}: its prevResult is not the last plugin's result")


@runtime_clause("73", Level.MUST, "3, Adding", "keeps the result of the last plugin", since=PREVIOUS_SINCE)
def keeps_the_result(case: RuntimeCase) -> None:
    """The final result is stored persistently: DEL and CHECK have it after the runtime was started anew.

    A DEL that is repeated after one that went well need not have it.
    """
    case.network()
    container, _ = added(case)
    case.forget()
    if case.has("check"):
        case.run("check", container)
    case.run("del", container)
    for call in first_of_each(case.calls("CHECK", "DEL")):
        told = call.config.get("prevResult")
        expect(told, f"{call} read no prevResult, although the container was added before")


@runtime_clause("81", Level.MUST, "2, CHECK", "gives CHECK the parameters of ADD", since=PREVIOUS_SINCE)
def same_parameters(case: RuntimeCase) -> None:
    """All that a CHECK is given, but for CNI_PATH and prevResult, is what the ADD was given."""
    case.need("check")
    places = {"args": "IgnoreUnknown=1;FOO=BAR", "capabilities": json.dumps(SUPPLIED)}
    case.network(entries={"a": {"capabilities": {"aliases": True}, "x-key": 1}})
    container, _ = added(case, **places)
    case.run("check", container, **places)
    asked = {call.type: call for call in case.calls("ADD")}
    for call in checks(case):
        before = asked[call.type]
        for name in PARAMETERS:
            told, given = call.environment.get(name, ""), before.environment.get(name, "")
            expect(told == given, f"{call}: {name} is {told!r}; for ADD it was {given!r}")
        now, then = (
            {key: value for key, value in one.config.items() if key != "prevResult"} for one in (call, before)
        )
        expect(now == then, f"{call}: the configuration is {now}; for ADD it was {then}")


@runtime_clause("84", Level.SHOULD, "5, ADD Success", "takes results without interfaces", since="0.3.0")
def takes_sparse_results(case: RuntimeCase) -> None:
    """A result may have no interfaces, and an address that belongs to none; it is passed on all the same.

    Plugins that route into a virtual machine or only give addresses print such results.
    """
    case.network()
    address: Json = {"address": "10.93.7.7/16"} | ({} if case.version >= "1.0.0" else {"version": "4"})
    nobodys = address | {"interface": -1}  # as some plugins write it
    for ips in (None, [address], [nobodys]):
        result = {"interfaces": None, "ips": ips}
        case.recording.behave(a={"ADD": {"result": result}})
        container = case.container()
        answer = case.run("add", container)
        expect(answer.succeeded, f"add failed with a first result that has {json.dumps(result)}: {answer}")
        answer = case.run("del", container)
        expect(answer.succeeded, f"del failed with a result that has {json.dumps(result)}: {answer}")
        expect(deletions(case), "no DEL came")


CLAUSES = (
    gives_the_result_before,
    gives_the_final_result,
    keeps_the_result,
    same_parameters,
    takes_sparse_results,
)
