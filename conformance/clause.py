"""What a clause is, and how a judge says what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from conformance.case import Case


class Level(StrEnum):
    """How binding a clause is, and where it comes from."""

    MUST = "must"  # the specification says must
    SHOULD = "should"  # it says should, or states it as plain behaviour
    BEHAVIOUR = "behaviour"  # follows from it, or from what every runtime relies on
    ROBUST = "robust"  # beyond it: hostile input, kills, full disks, storms
    DATAPATH = "datapath"  # beyond it: what packets see
    FAST = "fast"  # beyond it: times beside another folder of plugins


class Kind(StrEnum):
    """What a plugin does with an attachment."""

    INTERFACE = "interface"  # makes CNI_IFNAME, or takes it into the namespace
    CHAINED = "chained"  # changes what plugins before it made
    IPAM = "ipam"  # gives addresses, and makes nothing


EVERY_KIND = frozenset(Kind)


class Failed(Exception):
    """The plugin does not do what the clause asks; the text is one sentence that says what it did instead."""


class NotApplicable(Exception):
    """The clause says nothing about this plugin; the text says why."""


class CannotJudge(Exception):
    """This machine lacks what the clause needs to look; the text says what."""


@dataclass(frozen=True)
class Clause:
    """One rule.

    `since` is the CNI version that brought the rule; it is not applicable to a plugin whose VERSION does not
    list that version or a later one. `text` says in our words what is asked and why it matters. `seconds` is
    its time limit.
    """

    id: str  # "12" (a number of the catalogue), or "robust-kill"
    level: Level
    section: str  # of the specification: "2, ADD"
    title: str  # what a plugin that keeps it does: "refuses an interface name that is taken"
    text: str
    kinds: frozenset[Kind]
    since: str
    seconds: float
    judge: Callable[[Case], None]


def place(id: str) -> tuple[int, str]:
    """Return what a clause's id is sorted by: numbers first, as numbers."""
    return (int(id), "") if id.isdigit() else (1000, id)


def clause(
    id: str,
    level: Level,
    section: str,
    title: str,
    *,
    kinds: frozenset[Kind] = EVERY_KIND,
    since: str = "0.1.0",
    seconds: float = 120,
) -> Callable[[Callable[[Case], None]], Clause]:
    """Make a clause of a judging function; the function's docstring is the clause's text."""

    def make(judge: Callable[[Case], None]) -> Clause:
        return Clause(id, level, section, title, cleandoc(judge.__doc__ or ""), kinds, since, seconds, judge)

    return make


def fail(sentence: str) -> NoReturn:
    """Say that the plugin breaks the clause."""
    raise Failed(sentence)


def expect(holds: object, sentence: str) -> None:
    """Fail with the sentence unless it holds."""
    if not holds:
        raise Failed(sentence)
