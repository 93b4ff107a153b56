"""Indented lines of labels and values, as `describe` prints them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STEP = 2  # blanks a level


@dataclass(frozen=True)
class Fact:
    """A label and a text; further lines of it stand below the first."""

    label: str
    value: str


@dataclass(frozen=True)
class Part:
    """A label, and what stands below it."""

    label: str
    below: tuple[Line, ...]


Line = Fact | Part | str


def part(label: str, below: Iterable[Line]) -> Part:
    """Return a part."""
    return Part(label, tuple(below))


def outline(lines: Iterable[Line], level: int = 0) -> list[str]:
    """Return what is printed. Facts that are neighbours stand in one column; what is empty is left out."""
    kept = [one for one in lines if not _is_empty(one)]
    width = max((len(one.label) for one in kept if isinstance(one, Fact)), default=0) + 1 + STEP
    return [text for one in kept for text in _printed(one, " " * (STEP * level), width, level)]


def _printed(one: Line, blanks: str, width: int, level: int) -> list[str]:
    if isinstance(one, str):
        return [f"{blanks}{line}" for line in one.splitlines()]
    if isinstance(one, Part):
        return [f"{blanks}{one.label}:", *outline(one.below, level + 1)]
    first, *more = one.value.splitlines()
    head = f"{one.label}:".ljust(width)
    return [f"{blanks}{head}{first}", *(f"{blanks}{'':{width}}{line}" for line in more)]


def _is_empty(one: Line) -> bool:
    if isinstance(one, Part):
        return all(_is_empty(inner) for inner in one.below)
    return not (one.value if isinstance(one, Fact) else one)
