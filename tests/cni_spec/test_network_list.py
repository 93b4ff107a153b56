"""Configuration lists as libcni reads them, in one table of good and one of bad ones."""

from __future__ import annotations

import json

import pytest

from cni_spec.errors import DECODING_FAILURE, INCOMPATIBLE_VERSION, INVALID_CONFIG, CniError
from cni_spec.json_input import JsonObject
from cni_spec.network_list import choose_version, parse_network_list, parse_plugin, parse_single

LIST: JsonObject = {"cniVersion": "1.0.0", "name": "net1", "plugins": [{"type": "bridge"}]}


def _data(body: object) -> bytes:
    return json.dumps(body).encode()


def _refusal(body: object) -> CniError:
    with pytest.raises(CniError) as caught:
        parse_network_list(_data(body), "10-net.conflist")
    return caught.value


def test_a_list_keeps_its_plugins_as_written_and_in_order() -> None:
    plugins = [
        {"type": "bridge", "someKey": [1]},
        {"TYPE": "portmap", "capabilities": {"a": True, "b": False}},
    ]

    read = parse_network_list(_data(LIST | {"plugins": plugins}), "10-net.conflist")

    assert (read.name, read.version, read.source) == ("net1", "1.0.0", "10-net.conflist")
    assert [entry.type for entry in read.plugins] == ["bridge", "portmap"]
    assert [entry.body for entry in read.plugins] == plugins
    assert [entry.capabilities for entry in read.plugins] == [frozenset(), frozenset({"a"})]
    assert not (read.disable_check or read.disable_gc or read.load_only_inlined)


@pytest.mark.parametrize(("spelling", "value"), [
    (True, True), (False, False), ("true", True), ("TRUE", True), ("False", False),
])  # fmt: skip
@pytest.mark.parametrize("key", ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"])
def test_booleans_may_be_spelled_as_strings(key: str, spelling: object, value: bool) -> None:
    read = parse_network_list(_data(LIST | {key: spelling}), "x")

    said = {"disableCheck": read.disable_check, "disableGC": read.disable_gc}
    assert (said | {"loadOnlyInlinedPlugins": read.load_only_inlined})[key] is value


@pytest.mark.parametrize(
    ("given", "alternatives", "chosen"),
    [
        ("0.4.0", None, "0.4.0"),
        (None, None, "0.1.0"),
        ("", None, "0.1.0"),
        ("0.4.0", ("0.3.1", "1.0.0"), "1.0.0"),
        ("1.0.0", ("0.3.1", "0.4.0"), "1.0.0"),
        (None, ("1.1.0", "1.2.0", "2.0.0"), "1.1.0"),
        ("1.2.0", ("1.0.0",), "1.0.0"),
        ("1.0.0", (), "1.0.0"),
        ("0.4.0", ("0.9.0", "0.10.0"), "0.4.0"),
    ],
)
def test_the_highest_version_both_speak_is_chosen(
    given: str | None, alternatives: tuple[str, ...] | None, chosen: str
) -> None:
    assert choose_version(given, alternatives) == chosen


BAD_LISTS: list[tuple[str, object, int, str]] = [
    ("no object", [], DECODING_FAILURE, "expected a JSON object"),
    ("no name", {"plugins": [{"type": "a"}]}, INVALID_CONFIG, "name: Field required"),
    ("a path as name", LIST | {"name": "../x"}, INVALID_CONFIG, "name: expected a network name"),
    ("a number as name", LIST | {"name": 3}, INVALID_CONFIG, "name: "),
    ("plugins empty", LIST | {"plugins": []}, INVALID_CONFIG, "plugins: expected at least one"),
    ("plugins no list", LIST | {"plugins": {}}, INVALID_CONFIG, "plugins: "),
    ("a plugin no object", LIST | {"plugins": ["bridge"]}, INVALID_CONFIG, "plugins.0: "),
    ("no type", LIST | {"plugins": [{"type": "a"}, {}]}, INVALID_CONFIG, "plugins.1: type: Field required"),
    ("an empty type", LIST | {"plugins": [{"type": ""}]}, INVALID_CONFIG, "plugins.0: type: "),
    ("capabilities no booleans", LIST | {"plugins": [{"type": "a", "capabilities": {"x": 1}}]},
     INVALID_CONFIG, "capabilities.x: expected a valid boolean"),
    ("inlined only, none there", {"name": "a", "loadOnlyInlinedPlugins": "True"},
     INVALID_CONFIG, "is missing"),
    ("a boolean null", LIST | {"disableCheck": None}, INVALID_CONFIG, "disableCheck: "),
    ("a boolean misspelled", LIST | {"disableCheck": "yes"}, INVALID_CONFIG, "disableCheck: "),
    ("a version from the future", LIST | {"cniVersion": "1.2.0"}, INCOMPATIBLE_VERSION, "newer than 1.1.0"),
    ("a version nobody made", LIST | {"cniVersion": "0.9.0"}, INCOMPATIBLE_VERSION, "none of 0.1.0"),
    ("no version", LIST | {"cniVersion": "latest"}, DECODING_FAILURE, "expected a version"),
    ("no version in the list", LIST | {"cniVersions": ["1.0.0", "x"]},
     DECODING_FAILURE, "expected a version"),
    ("a number as version", LIST | {"cniVersion": 1}, INVALID_CONFIG, "cniVersion: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "reason"), [c[1:] for c in BAD_LISTS], ids=[c[0] for c in BAD_LISTS]
)
def test_what_is_no_list_is_refused_in_a_sentence(body: object, code: int, reason: str) -> None:
    error = _refusal(body)

    assert error.code == code
    assert reason in error.msg


def test_a_list_without_plugins_waits_for_its_drop_ins() -> None:
    read = parse_network_list(_data({"name": "net1", "cniVersion": "1.0.0"}), "x.conflist")
    with pytest.raises(CniError, match=r"x\.conflist: network net1 has no plugins"):
        read.require_plugins()

    filled = read.with_plugins((parse_plugin(_data({"type": "tuning"}), "net1/10.conf"),))

    filled.require_plugins()
    assert [entry.type for entry in filled.plugins] == ["tuning"]


def test_a_single_configuration_becomes_a_list_of_one() -> None:
    body = {"CNIVersion": "0.3.1", "name": "old", "type": "bridge", "capabilities": {"mac": True}}

    read = parse_single(_data(body), "10-old.conf")

    assert (read.name, read.version) == ("old", "0.3.1")
    assert read.plugins[0].body == body and read.plugins[0].capabilities == {"mac"}


def test_a_single_configuration_needs_a_type() -> None:
    with pytest.raises(CniError, match=r"10-old\.conf: type: Field required"):
        parse_single(_data({"name": "old"}), "10-old.conf")
