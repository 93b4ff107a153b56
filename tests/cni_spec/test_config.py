"""Configurations as people have them: any letter case, keys nobody knows, values of the wrong type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from cni_spec.config import NetworkConfig, SpecModel, parse_config
from cni_spec.errors import INVALID_CONFIG, UNSUPPORTED_FIELD, CniError
from cni_spec.json_input import JsonObject
from cni_spec.names import InterfaceName


class Port(SpecModel):
    host_port: int = Field(alias="hostPort", ge=1, le=65535)


class Example(NetworkConfig):
    bridge: InterfaceName = "cni0"
    hairpin_mode: bool = Field(False, alias="hairpinMode")
    mtu: int | None = None
    port: Port | None = None
    ports: tuple[Port, ...] = ()


BASE: JsonObject = {"cniVersion": "1.0.0", "name": "net1", "type": "example"}


def _refusal(body: JsonObject) -> CniError:
    with pytest.raises(CniError) as caught:
        parse_config(Example, BASE | body)
    return caught.value


def test_exact_keys_are_taken_without_a_word() -> None:
    config, remarks = parse_config(Example, BASE | {"hairpinMode": True, "ports": [{"hostPort": 80}]})

    assert config.hairpin_mode and config.ports == (Port(host_port=80),)
    assert list(remarks) == []


@pytest.mark.parametrize("key", ["HairpinMode", "hairpinmode", "HAIRPINMODE"])
def test_keys_are_taken_in_any_letter_case_with_a_warning(key: str) -> None:
    config, remarks = parse_config(Example, BASE | {key: True})

    assert config.hairpin_mode
    assert list(remarks) == [f'key "{key}" is taken as "hairpinMode"']


@pytest.mark.parametrize(
    ("body", "remark"),
    [
        ({"port": {"HOSTPORT": 80}}, 'key "port.HOSTPORT" is taken as "port.hostPort"'),
        ({"ports": [{"hostPort": 1}, {"hostport": 2}]}, 'key "ports[1].hostport" is taken as "hostPort"'),
        ({"dns": {"Search": ["x"]}}, 'key "dns.Search" is taken as "search"'),
        ({"port": {"hostPort": 80, "x": 1}}, 'unknown key "port.x" is ignored'),
    ],
)
def test_nested_keys_are_folded_and_named_with_their_path(body: JsonObject, remark: str) -> None:
    _, remarks = parse_config(Example, BASE | body)

    assert [line.replace('"port.hostPort"', '"hostPort"') for line in remarks] == [
        remark.replace('"port.hostPort"', '"hostPort"')
    ]


@pytest.mark.parametrize(
    "twice",
    [{"hairpinMode": True, "hairpinmode": True}, {"HairpinMode": True, "HAIRPINMODE": False}],
)
def test_one_key_in_two_spellings_is_refused(twice: JsonObject) -> None:
    error = _refusal(twice)

    assert error.code == INVALID_CONFIG
    assert "hairpinMode: given twice" in error.msg


@pytest.mark.parametrize(
    "key", ["mtu", "bridge", "hairpinMode", "ports", "port", "dns", "prevResult", "strict"]
)
def test_null_counts_as_not_given(key: str) -> None:
    assert parse_config(Example, BASE | {key: None})[0] == parse_config(Example, BASE)[0]


def test_an_unknown_key_is_remarked_and_ignored() -> None:
    _, remarks = parse_config(Example, BASE | {"isGatway": True, "cni.dev/something": 1})

    assert list(remarks) == ['unknown key "isGatway" is ignored']


@pytest.mark.parametrize("key", ["strict", "Strict"])
def test_strict_makes_an_unknown_key_error_2_with_key_and_value(key: str) -> None:
    error = _refusal({key: True, "isGatway": {"why": "not"}})

    assert error.code == UNSUPPORTED_FIELD
    assert error.msg == 'unsupported field isGatway: {"why": "not"}'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"mtu": True}, "mtu: expected a valid integer, came true"),
        ({"mtu": "1500"}, 'mtu: expected a valid integer, came "1500"'),
        ({"mtu": 1500.5}, "mtu: expected a valid integer, came 1500.5"),
        ({"hairpinMode": 1}, "hairpinMode: expected a valid boolean, came 1"),
        ({"ports": [{"hostPort": 80}, {}]}, "ports.1.hostPort: Field required"),
        (
            {"ports": [{"hostPort": 70000}]},
            "ports.0.hostPort: expected less than or equal to 65535, came 70000",
        ),
        ({"name": "../x"}, "name: expected a network name"),
        ({"bridge": "a/b"}, "bridge: expected an interface name without '/'"),
        ({"dns": []}, "dns: "),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected_and_what_came(body: JsonObject, sentence: str) -> None:
    error = _refusal(body)

    assert error.code == INVALID_CONFIG
    assert error.msg.startswith(sentence)


def test_all_complaints_are_told_the_first_as_the_message() -> None:
    error = _refusal({"mtu": "x", "hairpinMode": "y"})

    assert "hairpinMode" in error.msg + error.details and "mtu" in error.msg + error.details
    assert len(error.details.splitlines()) == 1


@pytest.mark.parametrize("version", [{}, {"cniVersion": ""}, {"cniVersion": None}])
def test_a_missing_version_is_the_oldest(version: JsonObject) -> None:
    assert parse_config(Example, {"name": "net1"} | version)[0].cni_version == "0.1.0"


def test_a_configuration_is_frozen() -> None:
    config, _ = parse_config(Example, BASE)
    with pytest.raises(ValueError, match="frozen"):
        setattr(config, "mtu", 3)  # noqa: B010 - a type checker refuses the plain way


@given(st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_no_object_ends_in_anything_but_a_configuration_or_a_code(body: JsonObject) -> None:
    try:
        parse_config(Example, BASE | body)
    except CniError as error:
        assert error.code in (INVALID_CONFIG, UNSUPPORTED_FIELD)


@given(st.data())
def test_the_letter_case_of_keys_never_changes_the_meaning(data: st.DataObject) -> None:
    body = BASE | {"hairpinMode": True, "mtu": 9000, "port": {"hostPort": 8}}
    flips = {key: data.draw(st.lists(st.booleans(), min_size=len(key), max_size=len(key))) for key in body}
    spelled = {
        "".join(c.swapcase() if flip else c for c, flip in zip(key, flips[key], strict=True)): value
        for key, value in body.items()
    }
    assert parse_config(Example, spelled)[0] == parse_config(Example, body)[0]
