"""What `podwire wait --for` waits for: a condition, an object's end, a text at a path. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cni_spec.errors import INVALID_CONFIG, CniError
from pod_runner.cluster.bodies import JsonObject, rows, text
from pod_runner.cluster.objects import Object

FORMS = "delete, create, condition=NAME, condition=NAME=false, or jsonpath='{.status.phase}'=Running"


@dataclass(frozen=True)
class Deleted:
    """The object is gone."""

    def holds(self, found: Object | None) -> bool:
        """Tell whether it is so."""
        return found is None


@dataclass(frozen=True)
class Created:
    """The object is there."""

    def holds(self, found: Object | None) -> bool:
        """Tell whether it is so."""
        return found is not None


@dataclass(frozen=True)
class Condition:
    """A condition of its status has a value; in any letter case, as kubectl has it."""

    kind: str
    status: str = "true"

    def holds(self, found: Object | None) -> bool:
        """Tell whether it is so."""
        for one in rows(found.body, "status", "conditions") if found else ():
            if text(one, "type").lower() == self.kind.lower():
                return text(one, "status").lower() == self.status.lower()
        return False


@dataclass(frozen=True)
class Path:
    """A text lies at a path; None: anything at all."""

    steps: tuple[str | int, ...]
    wanted: str | None = None

    def holds(self, found: Object | None) -> bool:
        """Tell whether it is so."""
        value = _at(found.body, self.steps) if found else None
        if value is None or self.wanted is None:
            return value is not None
        said = str(value).lower() if isinstance(value, bool) else str(value)
        return said == self.wanted


Wish = Deleted | Created | Condition | Path


def parse_wish(said: str) -> Wish:
    """Read --for. Raises CniError."""
    match said.partition("="):
        case ("delete", "", _):
            return Deleted()
        case ("create", "", _):
            return Created()
        case ("condition", "=", rest) if rest:
            kind, _, status = rest.partition("=")
            return Condition(kind, status or "true")
        case ("jsonpath", "=", rest):
            return _path(rest, said)
    raise _wrong(said)


def _path(rest: str, said: str) -> Path:
    """Read {.a.b[0].c}=value: the part of JSONPath that names one value."""
    found = re.fullmatch(r"'?\{?\.?((?:[\w-]+|\[\d+\]|\.)+)\}?'?(?:=(.*))?", rest)
    if found is None:
        raise _wrong(said)
    steps: list[str | int] = []
    for index, name in re.findall(r"\[(\d+)\]|([\w-]+)", found[1]):
        steps.append(name or int(index))
    return Path(tuple(steps), found[2])


def _at(body: JsonObject, steps: tuple[str | int, ...]) -> object:
    value: object = body
    for step in steps:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _wrong(said: str) -> CniError:
    return CniError(INVALID_CONFIG, f"--for {said!r}: expected {FORMS}")
