"""Profiles: their schema is what profile.py reads; those that ship are valid."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import conformance
from conformance.clause import Kind
from conformance.profile import SCHEMA, SHIPPED, Profile, read_profile, shipped_profiles
from conformance.schema import problems, resolved

FOLDER = Path(conformance.__file__).parent
TYPES = {
    "str": "string",
    "Json": "object",
    "bool": "boolean",
    "tuple": "array",
    "Mapping": "object",
    "Kind": None,
}


def test_the_schema_has_the_fields_of_a_profile() -> None:
    schema = json.loads(SCHEMA.read_text())["properties"]
    del schema["$schema"]
    fields = {name: str(field.type).partition("[")[0] for name, field in Profile.__dataclass_fields__.items()}

    assert set(schema) == set(fields)
    for name, rule in resolved(json.loads(SCHEMA.read_text()))["properties"].items():
        if name in fields and "enum" not in rule:
            assert rule["type"] == TYPES[fields[name]], name
    assert set(schema["kind"]["enum"]) == {*Kind}


def test_the_schema_is_one_and_every_shipped_profile_keeps_it() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in SHIPPED.glob("*.json"):
        if path != SCHEMA:
            jsonschema.validate(json.loads(path.read_text()), schema)

    assert {"bridge", "ptp", "portmap", "host-local", "loopback"} <= set(shipped_profiles())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "has no 'kind'"),
        ({"kind": "x"}, "kind is 'x', but must be one of"),
        ({"kind": "ipam", "colour": 1}, "colour is not known"),
        ({"kind": "ipam", "tampering": ["ip link"]}, "tampering[0] is 'ip link', but must be an array"),
        ({"kind": "ipam", "shares_addresses": 1}, "shares_addresses is 1, but must be a boolean"),
        ([], "the file is [], but must be an object"),
    ],
)
def test_a_mistake_is_told_with_its_place(body: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(body))

    with pytest.raises(ValueError) as caught:
        read_profile(path)
    assert str(path) in str(caught.value) and sentence in str(caught.value)


def test_the_small_judge_of_schemas_agrees_with_the_large_one() -> None:
    schema = json.loads(SCHEMA.read_text())
    bodies: list[object] = [
        {},
        {"kind": "ipam"},
        {"kind": 1},
        [],
        {"kind": "ipam", "makes": ["x"]},
        {"kind": "ipam", "kernel": [""]},
    ]
    for body in bodies:
        large = jsonschema.Draft202012Validator(schema).is_valid(body)
        assert large == (not list(problems(body, resolved(schema)))), body


def test_the_distribution_of_the_suite_alone_has_every_package() -> None:
    import tomllib

    packages = tomllib.loads((FOLDER / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {path.parent.relative_to(FOLDER.parent) for path in FOLDER.rglob("__init__.py")}

    assert sorted(packages) == sorted(".".join(path.parts) for path in found)
