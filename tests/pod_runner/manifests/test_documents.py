"""Texts become values; what is wrong with a text is told with its line and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_spec.positions import Spot
from pod_runner.manifests.documents import Document, documents_in
from service_proxy.sources.yaml_text import BadDocument

YAML = """\
# a comment
metadata:
  name: web
  labels: {a: b,
           "c/d.e": f}
spec:
  containers:
  - name: one
    image:
  -   name: two
"""
JSON = """{"metadata":
  {"name": "web", "labels": {"a": "b", "c/d.e": "f"}},
 "spec": {"containers": [
    {"name": "one", "image": null},
    {"name": "two"}]}}"""


def _only(text: str) -> Document:
    (document,) = documents_in(text)
    return document


def test_yaml_and_json_say_the_same() -> None:
    assert _only(YAML).value == _only(JSON).value == json.loads(JSON)


@pytest.mark.parametrize(
    ("route", "at_key", "in_yaml", "in_json"),
    [
        ((), False, (2, 1), (1, 1)),
        (("metadata", "name"), False, (3, 9), (2, 12)),
        (("metadata", "name"), True, (3, 3), (2, 4)),
        (("metadata", "labels", "c/d.e"), False, (5, 21), (2, 49)),
        (("metadata", "labels", "c/d.e"), True, (5, 12), (2, 40)),
        (("spec", "containers", 1, "name"), False, (10, 13), (5, 14)),
        (("spec", "containers", 1), False, (10, 7), (5, 5)),
        (("spec", "containers", 1, "image"), False, (10, 7), (5, 5)),
        (("spec", "containers", 7, "image"), True, (8, 3), (3, 25)),
    ],
)
def test_places(
    route: tuple[str | int, ...], at_key: bool, in_yaml: tuple[int, int], in_json: tuple[int, int]
) -> None:
    assert _only(YAML).spot(route, at_key) == Spot(*in_yaml)
    assert _only(JSON).spot(route, at_key) == Spot(*in_json)


def test_a_value_that_is_not_written_is_where_its_key_is() -> None:
    assert _only(YAML).spot(("spec", "containers", 0, "image"), False) == Spot(9, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 0644", {"a": 420}), ("a: 0o17", {"a": 15}), ("a: 22:22", {"a": "22:22"}),
        ("a: 1e3", {"a": 1000.0}), ("a: 2026-01-01", {"a": "2026-01-01"}), ("a: yes", {"a": True}),
        ("a: y", {"a": "y"}), ("a: ~", {"a": None}), ("8080: x\ntrue: y", {"8080": "x", "true": "y"}),
        ("\ufeffa: b", {"a": "b"}), ('{"a": "\\/"}', {"a": "/"}), ("{a: b, }", {"a": "b"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}), ("- |\n  x\n", ["x\n"]),
        ('{"a":\t1}', {"a": 1}),
    ],
)  # fmt: skip
def test_words_of_yaml(text: str, value: object) -> None:
    assert _only(text).value == value


LINE = "{after}: &{after} [{many}]\n"
BOMB = "a: &a [x]\n" + "".join(
    LINE.format(after=after, many=", ".join([f"*{before}"] * 9))
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b\na: c", "line 2, column 1: the key a is there twice"),
        ('{"a": 1,\n "a": 2}', "line 2, column 2: the key a is there twice"),
        ("a: [b", "did not find expected ',' or ']'"),
        ("a: &a {<<: *a}", "line 1, column 4: an alias of what it is in"),
        ("a: &a {b: c}\nd: {<<: *a}", "line 2, column 5: could not determine a constructor"),
        ("a: !!python/object:os.system x", "line 1, column 4: could not determine a constructor"),
        ("a: !!binary aGVsbG8=", "JSON has no bytes"),
        ("a: !!set {b}", "JSON has no set"),
        ("a: .inf", "a number without end"),
        ('{"a": NaN}', "a number without end"),
        ("? [a]\n: b", "line 1, column 3: found unhashable key"),
        ("null: b", "a key that is no text"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ("[" * 300, "nested too deeply"),
        ("- " * 300 + "x", "nested too deeply"),
        (BOMB, "more than 200000 values"),
        ("a: 0x" + "g" * 10 + "\n\tb: c", "line 2, column 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(BadDocument) as caught:
        list(documents_in(text))
    assert said in str(caught.value)


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#,\n \t0?%~<\\"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        for document in documents_in(text):
            json.dumps(document.value)
            assert document.spot(("a", 0, "b"), False) >= Spot(1, 1)
    except BadDocument as error:
        assert error.problem
