"""Labels set and taken away, as a person says it: `tier=front old-`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cni_spec.errors import INVALID_CONFIG, NOT_AVAILABLE, CniError
from pod_runner.cluster.bodies import JsonObject, with_member, words

# meta/v1: a key of 63 characters, perhaps behind a DNS name and a slash; a value of 63
_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"({_NAME})?")

Changes = Mapping[str, str | None]  # None takes a label away


def read_changes(said: Sequence[str]) -> Changes:
    """Read KEY=VALUE and KEY-. Raises CniError."""
    changes: dict[str, str | None] = {}
    for one in said:
        key, equals, value = one.partition("=")
        key = key if equals else key.removesuffix("-")
        if not _KEY.fullmatch(key):
            raise CniError(
                INVALID_CONFIG, f"{key!r} cannot be a label's key: letters, digits, '-', '_' and '.'"
            )
        if not _VALUE.fullmatch(value):
            raise CniError(
                INVALID_CONFIG, f"{value!r} cannot be a label's value: letters, digits, '-', '_' and '.'"
            )
        changes[key] = value if equals else None
    if not changes:
        raise CniError(INVALID_CONFIG, "say what is to be set: KEY=VALUE, or KEY- to take it away")
    return changes


def labelled(body: JsonObject, changes: Changes, *, may_replace: bool) -> JsonObject:
    """Return an object with its labels changed. Raises CniError where one has another value already."""
    labels = words(body, "metadata", "labels")
    for key, value in changes.items():
        if value is None:
            labels.pop(key, None)
        elif not may_replace and labels.get(key, value) != value:
            raise CniError(NOT_AVAILABLE, f"{key} is {labels[key]} already; --overwrite replaces it")
        else:
            labels[key] = value
    return with_member(body, labels, "metadata", "labels")
