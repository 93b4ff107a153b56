"""The table of fields (`fields.toml`), read: section -> field -> what becomes of it. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.problems import Severity

_LINE = re.compile(r"(?P<type>.*?)(?P<required>!)?(?: = (?P<default>.*?))?(?: -- (?P<note>.*))?")
_CLASS = re.compile(r"(ignored|cluster|refused): (.+)")
_INT = re.compile(r"int(?: (-?[0-9]+)\.\.(-?[0-9]+)?)?")


@dataclass(frozen=True)
class Scalar:
    """A value of a form (`forms.FORMS`)."""

    form: str


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds; `last` is that of its type where the table has none."""

    first: int
    last: int


@dataclass(frozen=True)
class Words:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """An object with fields of its own."""

    name: str


@dataclass(frozen=True)
class ListOf:
    """A list."""

    inner: Type
    is_filled: bool


@dataclass(frozen=True)
class MapOf:
    """A mapping with keys of a form."""

    key: str
    inner: Type


Type: TypeAlias = Scalar | Whole | Words | Section | ListOf | MapOf


@dataclass(frozen=True)
class Unsupported:
    """A field that is refused, or has no effect: why."""

    severity: Severity
    reason: str
    is_clusters: bool = False  # the cluster writes it


@dataclass(frozen=True)
class Supported:
    """A field that works. `default` is None where there is none."""

    type: Type
    is_required: bool
    default: object
    note: str


Field: TypeAlias = Supported | Unsupported


@dataclass(frozen=True)
class Table:
    """All of it. `refused_values`: "SECTION.FIELD.WORD" -> reason."""

    kinds: dict[str, str]
    other_kinds: dict[str, str]
    refused_values: dict[str, str]
    sections: dict[str, dict[str, Field]]


@cache
def table() -> Table:
    """Return the table; it is read once."""
    text = tomllib.loads(files("pod_runner.manifests").joinpath("fields.toml").read_text("utf-8"))
    kinds, others, values = text.pop("kinds"), text.pop("other_kinds"), text.pop("refused_values")
    sections = frozenset(text)
    return Table(
        kinds,
        others,
        values,
        {
            section: {name: _field(line, sections) for name, line in lines.items()}
            for section, lines in text.items()
        },
    )


def _field(line: str, sections: frozenset[str]) -> Field:
    if found := _CLASS.fullmatch(line):
        word, reason = found.groups()
        severity = Severity.ERROR if word == "refused" else Severity.IGNORED
        return Unsupported(severity, reason, is_clusters=word == "cluster")
    parts = _LINE.fullmatch(line)
    assert parts is not None  # the form has no line that it does not fit
    default = parts["default"]
    of_type = _type(parts["type"], sections)
    return Supported(of_type, bool(parts["required"]), _default(default, of_type), parts["note"] or "")


def _default(text: str | None, of_type: Type) -> object:
    if text is None:
        return None
    return json.loads(text) if isinstance(of_type, Whole | Section) or text in ("true", "420") else text


def _type(text: str, sections: frozenset[str]) -> Type:
    if text == "labels":
        return MapOf("label-key", Scalar("label-value"))
    if text == "annotations":
        return MapOf("label-key", Scalar("text"))
    if text.startswith("["):
        return ListOf(_type(text.rstrip("+")[1:-1], sections), is_filled=text.endswith("+"))
    if text.startswith("{"):
        key, _, inner = text[1:-1].rpartition(":")
        return MapOf(key or "text", _type(inner, sections))
    if found := _INT.fullmatch(text):
        return Whole(int(found[1] or -(2**63)), int(found[2] or 2**31 - 1))
    if text in sections:
        return Section(text)
    return Scalar(text) if text in FORMS else Words(tuple(text.removeprefix("only ").split("|")))
