"""What no honest caller sends is refused with code 6 and a reason, quickly."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_spec.errors import DECODING_FAILURE, CniError
from cni_spec.json_input import SIZE_LIMIT, JsonObject, decode_object

HOSTILE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "came nothing"),
    ("white space", b" \n\t ", "came nothing"),
    ("a list", b"[1]", "came a list"),
    ("a string", b'"x"', "came a string"),
    ("a number", b"12", "came a number"),
    ("a boolean", b"true", "came a boolean"),
    ("null", b"null", "came null"),
    ("cut off", b'{"a": ', "not JSON"),
    ("two documents", b"{} {}", "not JSON"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "not JSON"),
    ("single quotes", b"{'a': 1}", "not JSON"),
    ("a control character", b'{"a": "\x01"}', "not JSON"),
    ("NaN", b'{"a": NaN}', "NaN is not JSON"),
    ("Infinity", b'{"a": -Infinity}', "-Infinity is not JSON"),
    ("an endless float", b'{"a": 1e999}', "too large"),
    ("an integer of 5000 digits", b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    ("a key twice", b'{"a": 1, "b": {"c": 1, "c": 2}}', 'key "c" is there more than once'),
    ("Latin-1", b'{"a": "\xe9"}', "not UTF-8"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "not UTF-8"),
    ("an overlong slash", b'{"a": "\xc0\xaf"}', "not UTF-8"),
    ("a lone surrogate", b'{"a": "\\ud800"}', "not UTF-8"),
    ("a lone surrogate as key", b'{"\\uDFFF": 1}', "not UTF-8"),
    ("101 lists", b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}", "deeper than 100"),
    ("a million lists", b'{"a": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "deeper than 100"),
    ("half a million objects", b'{"a": ' * 500_000 + b"1" + b"}" * 500_000, "deeper than 100"),
    ("5 MiB", b'{"a": "' + b"x" * (5 << 20) + b'"}', "larger than 4 MiB"),
]


@pytest.mark.parametrize(
    ("data", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE]
)
def test_what_no_honest_caller_sends_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CniError) as caught:
        decode_object(data, "stdin")
    assert caught.value.code == DECODING_FAILURE
    assert caught.value.msg.startswith("stdin: ")
    assert reason in caught.value.msg
    assert len(caught.value.msg) < 300


def test_a_hundred_thousand_keys_cost_no_square() -> None:
    keys = ",".join(f'"{n}":0' for n in range(300_000))
    before = time.process_time()
    with pytest.raises(CniError, match='key "299999" is there more than once'):
        decode_object(f'{{{keys},"299999":1}}'.encode(), "stdin")
    assert time.process_time() - before < 5  # seconds; a square would take hours


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b'\r\n {"a": [1, -2.5, true, null, "\\u00e9"]} \n', {"a": [1, -2.5, True, None, "é"]}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        (b'{"A": 1, "a": 2}', {"A": 1, "a": 2}),
    ],
)
def test_honest_objects_are_read(data: bytes, value: JsonObject) -> None:
    assert decode_object(data, "stdin") == value


def test_a_body_just_within_the_limit_is_read() -> None:
    text = b'{"a": "' + b"x" * (SIZE_LIMIT - 10) + b'"}'

    assert len(text) <= SIZE_LIMIT
    assert list(decode_object(text, "stdin")) == ["a"]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _values, max_size=4))
def test_whatever_json_writes_is_read_back(value: JsonObject) -> None:
    try:
        data = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate: refused above
        return
    assert decode_object(data, "stdin") == value


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_an_object_or_code_6(data: bytes) -> None:
    try:
        assert isinstance(decode_object(data, "stdin"), dict)
    except CniError as error:
        assert error.code == DECODING_FAILURE
