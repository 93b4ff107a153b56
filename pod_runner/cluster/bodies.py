"""Read members of an object's JSON, whatever somebody wrote there: what is of another type counts as missing.

Objects that a person applies are judged before (`manifests`); what lies in a store may have been written by
anybody, and must not end a loop. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

JsonObject = dict[str, object]


def member(body: object, *path: str) -> object:
    """Return what lies below some keys, None if there is nothing."""
    for key in path:
        if not isinstance(body, dict):
            return None
        body = body.get(key)
    return body


def table(body: object, *path: str) -> JsonObject:
    """Return an object below some keys, {} if there is none. It is not to be changed."""
    found = member(body, *path)
    return found if isinstance(found, dict) else {}


def rows(body: object, *path: str) -> list[JsonObject]:
    """Return the objects of a list below some keys."""
    found = member(body, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text(body: object, *path: str) -> str:
    """Return a text below some keys, "" if there is none."""
    found = member(body, *path)
    return found if isinstance(found, str) else ""


def texts(body: object, *path: str) -> tuple[str, ...]:
    """Return the texts of a list below some keys."""
    found = member(body, *path)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def number(body: object, *path: str, default: int = 0) -> int:
    """Return a whole number below some keys. JSON's true is none."""
    found = member(body, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def is_true(body: object, *path: str) -> bool:
    """Tell whether there is a `true` below some keys."""
    return member(body, *path) is True


def words(body: object, *path: str) -> dict[str, str]:
    """Return an object of texts below some keys: labels, annotations."""
    return {key: value for key, value in table(body, *path).items() if isinstance(value, str)}


def with_member(body: Mapping[str, object], value: object, *path: str) -> JsonObject:
    """Return the body with another value below some keys; the one given stays as it is."""
    key, *rest = path
    inner = value if not rest else with_member(table(body, key), value, *rest)
    return {**body, key: inner}


def without_member(body: Mapping[str, object], *path: str) -> JsonObject:
    """Return the body without what lies below some keys."""
    key, *rest = path
    if not rest:
        return {name: value for name, value in body.items() if name != key}
    return {**body, key: without_member(table(body, key), *rest)} if key in body else dict(body)
