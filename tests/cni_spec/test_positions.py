"""Every key and value is found where it is, in any text the decoder accepts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_spec.positions import Spot, join_path, locate, parent_of

TEXT = """{
  "name": "net1",
  "plugins": [
    {"type": "a", "x": [1, {"y": null}]},
\t{ "Type" : "b" }
  ]
}"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("name", Spot(2, 3), Spot(2, 11)),
        ("plugins", Spot(3, 3), Spot(3, 14)),
        ("plugins[0].type", Spot(4, 6), Spot(4, 14)),
        ("plugins[0].x[1].y", Spot(4, 29), Spot(4, 34)),
        ("plugins[1].type", Spot(5, 4), Spot(5, 13)),
    ],
)
def test_keys_and_values_are_found(path: str, key: Spot, value: Spot) -> None:
    positions = locate(TEXT)

    assert positions.of_key(path) == key
    assert positions.of_value(path) == value


def test_what_is_missing_is_found_at_its_nearest_parent() -> None:
    positions = locate(TEXT)

    assert positions.of_value("plugins[0].ipam.subnet") == Spot(4, 5)
    assert positions.of_key("nowhere") == Spot(1, 1)


def test_repeated_keys_are_noted_where_they_are_repeated() -> None:
    text = '{"a": 1,\n "b": {"a": 2},\n "a": 3}'
    positions = locate(text)

    assert [(path, positions.spot(offset)) for path, offset in positions.repeated] == [("a", Spot(3, 2))]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(_values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_at_every_offset_stands_what_the_decoder_reads(
    value: object, indent: int | str | None, ascii: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii, allow_nan=False) if _is_finite(value) else "0"
    positions = locate(text)

    for offset in positions.values.values():
        json.JSONDecoder().raw_decode(text, offset)
    for offset in positions.keys.values():
        key, end = json.JSONDecoder().raw_decode(text, offset)
        assert isinstance(key, str) and text[end:].lstrip().startswith(":")


def _is_finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def test_paths_are_made_and_taken_apart() -> None:
    assert join_path(join_path(join_path("", "a"), 0), "b") == "a[0].b"
    assert [parent_of(path) for path in ("a[0].b", "a[0]", "a", "")] == ["a[0]", "a", "", ""]
