"""ADD, DEL, CHECK and VERSION, in turns with another folder's plugin of the same type: a ratio of medians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from conformance.calls import Answer
from conformance.case import Attachment, Case, as_numbers, said
from conformance.clause import CannotJudge, Failed, Level, NotApplicable, clause, expect
from conformance.running.finding import listed_versions

ROUNDS = 9  # of each; the first of each is not counted


@clause("fast-add", Level.FAST, "beyond", "ADD is not slow", seconds=120)
def add(case: Case) -> None:
    """The median time of ADD is at most twice (or as was asked) that of the other folder's plugin."""
    _judge(case, "ADD", lambda side, one: side.timed("ADD", one))


@clause("fast-del", Level.FAST, "beyond", "DEL is not slow", seconds=120)
def delete(case: Case) -> None:
    """The median time of DEL is at most twice (or as was asked) that of the other folder's plugin."""
    _judge(case, "DEL", lambda side, one: side.timed("DEL", side.added(one)))


@clause("fast-check", Level.FAST, "beyond", "CHECK is not slow", since="0.4.0", seconds=120)
def check(case: Case) -> None:
    """The median time of CHECK is at most twice (or as was asked) that of the other folder's plugin."""
    case.need("0.4.0", "CHECK")
    _judge(case, "CHECK", lambda side, one: side.timed("CHECK", side.added(one)))


@clause("fast-version", Level.FAST, "beyond", "VERSION is not slow", since="0.2.0", seconds=60)
def version(case: Case) -> None:
    """The median time of VERSION is at most twice (or as was asked) that of the other folder's plugin."""
    _judge(case, "VERSION", lambda side, one: side.timed("VERSION", one))


@dataclass(frozen=True)
class Side:
    """One of the two plugins, and the case in which it is called."""

    case: Case
    name: str

    def timed(self, verb: str, attachment: Attachment) -> Answer:
        """Make a call that must succeed."""
        answer = self.case.ask(verb, attachment)
        if not answer.succeeded:
            raise (Failed if self.name == "this" else CannotJudge)(
                f"{verb} of {self.name} plugin failed, so that no time can be compared: {said(answer)}"
            )
        return answer

    def added(self, attachment: Attachment) -> Attachment:
        """ADD an attachment."""
        answer = self.timed("ADD", attachment)
        return replace(attachment, result=answer.document() or attachment.previous)


def _judge(case: Case, verb: str, call: Callable[[Side, Attachment], Answer]) -> None:
    """Call both in turns, each with its own containers; DEL follows each time."""
    other = _other(case)
    case.version = other.version
    sides = (Side(case, "this"), Side(other, "the other"))
    attachments = [case.attachment(network=f"judged-{number}") for number in range(2)]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for side, attachment, seconds in zip(sides, attachments, times, strict=True):
            answer = call(side, attachment)
            if number:
                seconds.append(answer.seconds)
            if verb != "VERSION":
                side.timed("DEL", attachment)
    own, others = (median(one) * 1000 for one in times)
    found = f"{own:.1f} ms beside {others:.1f} ms, {own / others:.2f} times as long"
    case.note(f"the medians of {ROUNDS} {verb}s", found)
    expect(own / others <= case.slowest, f"{verb} takes {found}; the limit is {case.slowest:g}")


def _other(case: Case) -> Case:
    """Return a case of the other folder's plugin in the same world, by the newest version that both speak."""
    if case.beside is None:
        raise NotApplicable("no other folder was named to compare with (--beside DIR)")
    path = Path(case.beside, case.plugin.type)
    if not path.exists():
        raise NotApplicable(f"there is no {case.plugin.type} in {case.beside}")
    spoken = listed_versions(path)
    common = [
        one for one in case.plugin.versions if one in spoken and as_numbers(one) <= as_numbers(case.version)
    ]
    if not common:
        raise NotApplicable(f"the other {case.plugin.type} speaks no version that this one does")
    plugin = replace(case.plugin, path=path)
    return replace(case, plugin=plugin, version=common[-1], cni_path=(case.beside, *case.cni_path))


CLAUSES = (add, delete, check, version)
