"""The part of JSON Schema that the suite's own schemas use; a mistake is told with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip


def problems(value: Any, schema: Json, place: str = "") -> Iterator[str]:
    """Yield a sentence for everything in a JSON value that the schema does not allow.

    Known: type, enum, const, required, properties, additionalProperties, items, minLength and `$ref` to
    "#/$defs/...", which the caller has resolved by `resolved`.
    """
    here = place or "the file"
    allowed = schema.get("type")
    if allowed and not _is(value, allowed):
        yield f"{here} is {value!r}, but must be {_article(allowed)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{here} is {value!r}, but must be one of {', '.join(map(repr, schema['enum']))}"
    if "const" in schema and value != schema["const"]:
        yield f"{here} is {value!r}, but must be {schema['const']!r}"
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        yield f"{here} is empty"
    if isinstance(value, dict):
        yield from _in_object(value, schema, place)
    if isinstance(value, list) and "items" in schema:
        for at, one in enumerate(value):
            yield from problems(one, schema["items"], f"{place}[{at}]")


def resolved(schema: Any, root: Json | None = None) -> Any:
    """Return a schema with every `$ref` to its own `$defs` replaced by what it names."""
    root = schema if root is None else root
    if isinstance(schema, dict):
        if "$ref" in schema:
            return resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
        return {key: resolved(one, root) for key, one in schema.items() if key != "$defs"}
    return [resolved(one, root) for one in schema] if isinstance(schema, list) else schema


def _in_object(value: Json, schema: Json, place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{place or 'the file'} has no {key!r}"
    for key, one in value.items():
        rule = known.get(key, schema.get("additionalProperties", True))
        where = f"{place}.{key}" if place else key
        if rule is False:
            yield f"{where} is not known; there are {', '.join(known)}"
        elif isinstance(rule, dict):
            yield from problems(one, rule, where)


def _is(value: Any, allowed: str | list[str]) -> bool:
    names = [allowed] if isinstance(allowed, str) else allowed
    if isinstance(value, bool):  # JSON's true is not the number 1
        return "boolean" in names
    return any(isinstance(value, TYPES[name]) for name in names)


def _article(allowed: str | list[str]) -> str:
    names = [allowed] if isinstance(allowed, str) else allowed
    return " or ".join(f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in names)
