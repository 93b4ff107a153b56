"""What `listing` knows while it follows a program: what each descriptor is, and what was said so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pod_runner.kernel.program import Argument, Result, Text
from pod_runner.kernel.steps import WHY, Becoming, Step, remark


@dataclass(frozen=True)
class Place:
    """What a descriptor is: a path, or a detached copy of what is mounted there (`options` is not None)."""

    path: str
    options: tuple[str, ...] | None = None
    is_written: bool = False
    is_optional: bool = False  # what is done there is left out where there is none


UNKNOWN = Place("?")


@dataclass
class Listing:
    """A program that is followed. `known`: descriptors that it is given, and what they are."""

    known: Mapping[int, str]
    steps: list[Step] = field(default_factory=list)
    becoming: Becoming = field(default_factory=Becoming)
    places: dict[int | Result, Place] = field(default_factory=dict)
    abroad: str = ""  # in another process's mount namespace: whose
    is_pivoted: bool = False
    stays: bool = False
    is_over: bool = False

    def say(self, command: str, why: str) -> None:
        """Add a step; nothing more can be executed in a pause process whose root is empty."""
        if self.stays and self.is_pivoted:
            self.remark(command, "empty")
        else:
            self.steps.append(Step(command, WHY[why]))

    def remark(self, said: str, why: str) -> None:
        """Add what no command can do."""
        self.steps.append(remark(said, WHY[why]))

    def is_abroad(self, place: Place) -> bool:
        """Tell whether it was opened in another process's mount namespace."""
        return any(place.path.startswith(f"{one}:") for one in self.known.values())

    def place(self, argument: Argument) -> Place:
        """Return what a descriptor is."""
        if isinstance(argument, int) and argument in self.known:
            return Place(self.known[argument])
        return self.places.get(argument, UNKNOWN) if isinstance(argument, int | Result) else UNKNOWN


def number(argument: Argument) -> int:
    """Return an argument that is a number."""
    assert isinstance(argument, int)
    return argument


def text(argument: Argument) -> str:
    """Return an argument that is a string."""
    assert isinstance(argument, Text)
    return argument.text


def packed(argument: Argument) -> bytes:
    """Return an argument that is a structure."""
    assert isinstance(argument, bytes)
    return argument
