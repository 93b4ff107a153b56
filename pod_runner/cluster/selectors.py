"""Label selectors, kubectl's words (`app=web,tier in (a, b),!old`) and JSON: what labels are asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from pod_runner.cluster.bodies import rows, table, text, texts, words

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALS = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_AMONG = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


class BadSelector(Exception):
    """A selector that cannot be understood; the message says where."""


class Requirement(NamedTuple):
    """One condition on a label: `operator` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil it."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return _compare(value, self.values, is_greater=self.operator == "Gt")
        return False  # an operator nobody knows selects nothing


class Selector(NamedTuple):
    """Conditions that must all hold; none: everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil all."""
        return all(one.matches(labels) for one in self.requirements)


def parse_selector(said: str) -> Selector:
    """Read kubectl's `-l`. Raises BadSelector."""
    return Selector(tuple(_requirement(part.strip(), said) for part in _parts(said) if part.strip()))


def selector_of(body: object) -> Selector:
    """Read a LabelSelector: matchLabels and matchExpressions."""
    equal = [Requirement(key, "In", (value,)) for key, value in words(body, "matchLabels").items()]
    return Selector((*equal, *expressions_of(table({"": body}, "").get("matchExpressions"))))


def expressions_of(body: object) -> tuple[Requirement, ...]:
    """Read a list of key, operator and values."""
    found = rows({"": body}, "")
    return tuple(Requirement(text(one, "key"), text(one, "operator"), texts(one, "values")) for one in found)


def _parts(said: str) -> list[str]:
    """Cut at the commas that are not in parentheses."""
    return re.split(r",(?![^()]*\))", said)


def _requirement(part: str, said: str) -> Requirement:
    if found := _EQUALS.fullmatch(part):
        key, operator, value = found.groups()
        return Requirement(key, "NotIn" if operator == "!=" else "In", (value,))
    if found := _AMONG.fullmatch(part):
        key, operator, listed = found.groups()
        values = tuple(value.strip() for value in listed.split(","))
        if all(re.fullmatch(_VALUE, value) for value in values):
            return Requirement(key, "In" if operator == "in" else "NotIn", values)
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], "DoesNotExist" if found[1] else "Exists")
    forms = '"key=value", "key!=value", "key in (a, b)", "key notin (a, b)", "key" or "!key"'
    raise BadSelector(f"selector {said!r}: {part!r} is none of {forms}")


def _compare(value: str | None, values: tuple[str, ...], *, is_greater: bool) -> bool:
    try:
        left, right = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return left > right if is_greater else left < right
