"""Every field of Kubernetes' own schema has its line in the table, and the table has no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest

from pod_runner.manifests.fields import (
    ListOf,
    MapOf,
    Scalar,
    Section,
    Supported,
    Type,
    Whole,
    Words,
    table,
)
from pod_runner.manifests.problems import JsonObject

SCHEMAS = files("kubernetes_validate").joinpath("kubernetes-json-schema", "v1.30.0-local")
DEFINITIONS: dict[str, JsonObject] = json.loads(SCHEMAS.joinpath("_definitions.json").read_text())["$defs"]
GROUPS = {"v1": "io.k8s.api.core.v1", "apps/v1": "io.k8s.api.apps.v1"}
TABLE = table()
# of these forms a text or a number may stand there
NUMBERS = ("id", "mode")
EITHER = ("quantity", "int-or-percent", "port-or-name")


def _definition(schema: JsonObject) -> JsonObject:
    reference = schema.get("$ref")
    return DEFINITIONS[reference.rpartition("/")[2]] if isinstance(reference, str) else schema


def _properties(schema: JsonObject) -> dict[str, JsonObject]:
    properties = _definition(schema).get("properties")
    assert isinstance(properties, dict)
    return properties


def _types(schema: JsonObject) -> set[str]:
    alternatives = schema.get("oneOf")
    if isinstance(alternatives, list):
        return set().union(*(_types(one) for one in alternatives))
    said = schema["type"]
    return set(said if isinstance(said, list) else [said]) - {"null"}


def _walk(section: str, schema: JsonObject, seen: set[str]) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield each field of a section and of those below it: section, field, schema."""
    if section in seen:
        return
    seen.add(section)
    for name, inner in _properties(schema).items():
        yield section, name, inner
        field = TABLE.sections.get(section, {}).get(name)
        if isinstance(field, Supported):
            yield from _below(field.type, _definition(inner), seen)


def _below(of_type: Type, schema: JsonObject, seen: set[str]) -> Iterator[tuple[str, str, JsonObject]]:
    if isinstance(of_type, Section):
        yield from _walk(of_type.name, schema, seen)
    elif isinstance(of_type, ListOf):
        items = schema["items"]
        assert isinstance(items, dict)
        yield from _below(of_type.inner, _definition(items), seen)


def _all_fields() -> tuple[list[tuple[str, str, JsonObject]], set[str]]:
    seen: set[str] = set()
    found = [
        one
        for kind, version in TABLE.kinds.items()
        for one in _walk(kind, DEFINITIONS[f"{GROUPS[version]}.{kind}"], seen)
    ]
    return found, seen


FIELDS, SECTIONS = _all_fields()


def _fits(of_type: Type, schema: JsonObject) -> bool:
    """Tell whether a type of the table is what the schema says."""
    types = _types(schema)
    match of_type:
        case Section() | MapOf():
            return types == {"object"}
        case ListOf(inner):
            items = schema["items"]
            assert isinstance(items, dict)
            return types == {"array"} and _fits(inner, _definition(items))
        case Whole():
            return types == {"integer"}
        case Words():
            return types == {"string"}
        case Scalar(form):
            wanted = {"bool": {"boolean"}} | {one: {"integer"} for one in NUMBERS}
            return len(types) > 1 if form in EITHER else types == wanted.get(form, {"string"})


def test_the_schema_is_walked_as_a_whole() -> None:
    assert len(FIELDS) > 370
    assert set(TABLE.sections) == SECTIONS


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_the_table_has_exactly_the_schemas_fields(section: str) -> None:
    schema = sorted(name for where, name, _ in FIELDS if where == section)
    assert sorted(TABLE.sections[section]) == schema


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_types_are_the_schemas(section: str) -> None:
    for where, name, schema in FIELDS:
        field = TABLE.sections[section][name] if where == section else None
        if isinstance(field, Supported):
            assert _fits(field.type, _definition(schema)), (section, name)


def test_no_kind_is_both_supported_and_refused() -> None:
    assert not set(TABLE.other_kinds) & set(TABLE.kinds)


def test_refused_kinds_are_kubernetes_own() -> None:
    known = {name.rpartition(".")[2] for name in DEFINITIONS}
    elsewhere = {"Kustomization", "Gateway", "HTTPRoute", "VerticalPodAutoscaler"}
    assert set(TABLE.other_kinds) - known == elsewhere
