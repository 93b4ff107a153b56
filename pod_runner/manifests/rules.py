"""What rules are made of: reading a body whose types may be wrong, as the checker has told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pod_runner.manifests.problems import Found, JsonObject, Route

Rule = Callable[[JsonObject, Found], None]


def below(body: object, *keys: str) -> JsonObject:
    """Return an object inside; an empty one where there is none."""
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def each(body: JsonObject, key: str, route: Route) -> Iterator[tuple[Route, JsonObject]]:
    """Yield the objects of a list with where they stand."""
    items = body.get(key)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*route, key, index), item


def text(body: JsonObject, key: str) -> str:
    """Return a text; "" where there is none."""
    value = body.get(key)
    return value if isinstance(value, str) else ""


def number(body: JsonObject, key: str) -> int | None:
    """Return a whole number; None where there is none."""
    value = body.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def given(body: JsonObject, *keys: str) -> list[str]:
    """Return which of some keys are there; null is absent."""
    return [key for key in keys if body.get(key) is not None]


def one_of(body: JsonObject, keys: tuple[str, ...], route: Route, found: Found) -> None:
    """Tell when not exactly one of some keys is there."""
    there = given(body, *keys)
    if len(there) > 1:
        found.error((*route, there[1]), f"{' and '.join(there)} exclude each other", at_key=True)
    elif not there:
        found.error(route, f"expected one of {', '.join(keys)}")


def repeated(
    items: Iterator[tuple[Route, JsonObject]], key: str, found: Found, seen: set[str] | None = None
) -> set[str]:
    """Tell which names are there twice; return all."""
    names = set() if seen is None else seen
    for route, item in items:
        name = text(item, key)
        if name and name in names:
            found.error((*route, key), f'"{name}" is there twice')
        names.add(name)
    return names
