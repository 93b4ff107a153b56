"""A body against the table of fields: unknown, refused and ignored fields, types, forms, bounds. Pure.

What it lets pass has the types that rules rely on; where something was wrong, they look no further.
"""

from __future__ import annotations

from typing import assert_never

from cni_spec.suggestions import suggest
from pod_runner.manifests.fields import (
    ListOf,
    MapOf,
    Scalar,
    Section,
    Supported,
    Table,
    Type,
    Whole,
    Words,
)
from pod_runner.manifests.forms import FORMS
from pod_runner.manifests.problems import Found, Route, Severity, printable
from service_proxy.object_members import shown

TEXTS = ("text", "label-value", "env-name", "label")  # where people write what YAML takes for a number
NEVER_EMPTY = ("bool", "id", "mode", "quantity", "int-or-percent")  # others count as absent where they are ""


class Checker:
    """One walk over one object."""

    def __init__(self, table: Table, found: Found) -> None:
        self._table, self._found = table, found

    def check_section(self, section: str, body: object, route: Route) -> None:
        """Judge an object with fields."""
        if not isinstance(body, dict):
            self._found.error(route, f"expected an object, not {shown(body)}")
            return
        fields = self._table.sections[section]
        for key, value in body.items():
            field = fields.get(key) if isinstance(key, str) else None
            if field is None:
                self._unknown(key, tuple(fields), route)
            elif not isinstance(field, Supported):
                self._unsupported(field.severity, field.reason, value, (*route, key))
            elif value is not None and not _is_absent(field.type, value):
                self._check(field.type, value, (*route, key), f"{section}.{key}")
        for name, field in fields.items():
            if isinstance(field, Supported) and field.is_required and body.get(name) in (None, ""):
                self._found.error(route, f"{name} is missing")

    def _unknown(self, key: object, known: tuple[str, ...], route: Route) -> None:
        word = f"{key}"
        hint = suggest(word, known) if len(word) <= 100 else ""
        self._found.error((*route, word), f'there is no field "{printable(word)}"{hint}', at_key=True)

    def _unsupported(self, severity: Severity, reason: str, value: object, route: Route) -> None:
        if severity is Severity.ERROR:
            if value not in (None, [], "", False):  # these are as if it were absent
                self._found.error(route, f"not supported: {reason}", at_key=True)
        elif value not in (None, [], {}, ""):
            self._found.ignored(route, reason)

    def _check(self, of_type: Type, value: object, route: Route, what: str) -> None:
        match of_type:
            case Section(name):
                self.check_section(name, value, route)
            case ListOf():
                self._check_list(of_type, value, route, what)
            case MapOf():
                self._check_map(of_type, value, route, what)
            case Words(words):
                self._check_word(words, value, route, what)
            case Whole(first, last):
                if not isinstance(value, int) or isinstance(value, bool) or not first <= value <= last:
                    self._found.error(route, f"expected a number {_bounds(first, last)}, not {shown(value)}")
            case Scalar(form):
                self._check_form(form, value, route)
            case _:
                assert_never(of_type)

    def _check_list(self, of_type: ListOf, value: object, route: Route, what: str) -> None:
        if not isinstance(value, list):
            self._found.error(route, f"expected a list, not {shown(value)}")
            return
        if of_type.is_filled and not value:
            self._found.error(route, "expected at least one")
        for index, item in enumerate(value):
            self._check(of_type.inner, item, (*route, index), what)

    def _check_map(self, of_type: MapOf, value: object, route: Route, what: str) -> None:
        if not isinstance(value, dict):
            self._found.error(route, f"expected an object, not {shown(value)}")
            return
        for key, item in value.items():
            inside = (*route, f"{key}")
            if expected := FORMS[of_type.key](key):
                self._found.error(inside, f"expected {expected}, not {shown(key)}", at_key=True)
            self._check(of_type.inner, "" if item is None else item, inside, what)

    def _check_word(self, words: tuple[str, ...], value: object, route: Route, what: str) -> None:
        if value == "" or (isinstance(value, str) and value in words):
            return
        refused = self._table.refused_values
        reason = refused.get(f"{what}.{value}") or refused.get(f"{what}.*")
        if reason and isinstance(value, str):
            self._found.error(route, f"{shown(value)} is not supported: {reason}")
            return
        hint = suggest(value, words) if isinstance(value, str) and len(value) <= 100 else ""
        self._found.error(route, f"expected {' or '.join(filter(None, words))}, not {shown(value)}{hint}")

    def _check_form(self, form: str, value: object, route: Route) -> None:
        expected = FORMS[form](value)
        if expected is None:
            return
        is_number = form in TEXTS and isinstance(value, int | float)
        hint = f'; in YAML put quotes around it: "{shown(value)}"' if is_number else ""
        self._found.error(route, f"expected {expected}, not {shown(value)}{hint}")


def _is_absent(of_type: Type, value: object) -> bool:
    """Tell whether an empty text stands for nothing, as it does for an API server."""
    return value == "" and isinstance(of_type, Scalar) and of_type.form not in NEVER_EMPTY


def _bounds(first: int, last: int) -> str:
    if last == 2**31 - 1 or last == 2**63 - 1:
        return f"from {first} on" if first > -(2**31) else "of 32 bits"
    return f"from {first} to {last}"
