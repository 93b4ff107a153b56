"""What must not go on at one time.

The recording plugin waits until another call is under way, so a runtime that lets two go on is seen at once,
however slow the machine; one that does not lets it wait for WAIT seconds.
"""

from __future__ import annotations

from itertools import combinations

from conformance.clause import Level, expect
from conformance.runtime.case import Container, RuntimeCase
from conformance.runtime.clause import runtime_clause
from conformance.runtime.records import FIRST, Record

WAIT = 1.5  # seconds; a second command of the runtime has begun its calls within that


@runtime_clause("76", Level.MUST, "3, Lifecycle & Ordering", "does one thing at a time with a container")
def one_at_a_time(case: RuntimeCase) -> None:
    """No two operations for one container at one time, not even for two of its interfaces.

    Plugins may rely on nobody else's changing the namespace while they look at it.
    """
    case.network([FIRST])
    container = case.container()
    together(case, "ADD", ("add", container, {}), ("add", container, {"ifname": "eth1"}))
    together(case, "DEL", ("del", container, {}), ("add", container, {"ifname": "eth2"}))
    calls = case.calls()
    for one, other in combinations(calls, 2):
        same = one.container == other.container and one.container != ""
        expect(
            not (same and one.overlaps(other)),
            f"two calls for {one.container} went on at one time: {_said(one)} and {_said(other)}",
        )


@runtime_clause(
    "77", Level.MUST, "3, Lifecycle & Ordering", "adds and deletes nothing during GC", since="1.1.0"
)
def nothing_during_collection(case: RuntimeCase) -> None:
    """No ADD or DEL while GC goes on, and no GC while they do.

    An attachment that is being made is not yet in the list of those that are valid: GC would take it away.
    """
    case.need("gc")
    case.network([FIRST])
    together(case, "GC", ("gc", None, {}), ("add", case.container(), {}))
    together(case, "ADD", ("add", case.container(), {}), ("gc", None, {}))
    calls = case.calls()
    for one, other in combinations(calls, 2):
        mixed = (one.verb == "GC") != (other.verb == "GC")
        expect(
            not (mixed and one.overlaps(other)),
            f"{_said(one)} and {_said(other)} went on at one time",
        )


Command = tuple[str, Container | None, dict[str, str]]


def together(case: RuntimeCase, verb: str, first: Command, second: Command) -> None:
    """Start one command, the other while a plugin is being asked the verb; wait for both."""
    case.recording.behave(a={verb: {"wait": WAIT}})
    running = []
    for name, container, places in (first, second):
        running.append(case.start(name, container, **places))
        case.wait_call(verb, running[0])
        case.recording.behave()
    for (name, _, _), one in zip((first, second), running, strict=True):
        answer = one.wait_line(case.profile.holds) if case.profile.holds and name == "add" else one.wait()
        case.note(f"at one time: `{' '.join(one.argv)}`", answer)


def _said(call: Record) -> str:
    ifname = call.environment.get("CNI_IFNAME", "")
    return f"{call.verb} of {ifname or call.type} from {call.begun:.3f} to {call.ended:.3f} s"


CLAUSES = (one_at_a_time, nothing_during_collection)
