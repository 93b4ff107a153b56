"""The documents of `shapes/`, and what is expected of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pod_runner.manifests.problems import Problem

FOLDER = Path(__file__).parent / "shapes"


@dataclass(frozen=True)
class Shape:
    """A document: whose shape it has, what there is to say about it, its text."""

    name: str
    expected: tuple[str, ...]
    text: str


def shapes() -> list[Shape]:
    """Return all, in the order of their files."""
    return [
        _shape(part)
        for file in sorted(FOLDER.glob("*.yaml"))
        for part in re.split(r"^---\n(?=# shape)", file.read_text(), flags=re.MULTILINE)
    ]


def _shape(part: str) -> Shape:
    lines = part.splitlines()
    expected = [line for line in lines if line.startswith(("#!", "#~"))]
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return Shape(lines[0].removeprefix("# shape: "), tuple(expected), text)


def line_of(problem: Problem) -> str:
    """Return a problem as the files have it."""
    return f"#{'!' if problem.is_error else '~'} {problem.path}: {problem.sentence}"
