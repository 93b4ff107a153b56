from __future__ import annotations

import pytest

from pod_runner.cluster.selectors import BadSelector, parse_selector, selector_of

WEB = {"app": "web", "tier": "front", "rev": "7"}


@pytest.mark.parametrize(
    ("said", "is_match"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app = web , tier != back", True),
        ("app!=web", False),
        ("other!=web", True),  # as in Kubernetes: what is missing is not equal
        ("app in (web, db)", True),
        ("app in (db),tier=front", False),
        ("app notin (db,cache)", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("example.com/role", False),
        ("empty=", False),
    ],
)
def test_kubectls_words_select(said: str, is_match: bool) -> None:
    assert parse_selector(said).matches(WEB) is is_match


@pytest.mark.parametrize("said", ["app=a b", "in (a)", "a in b", "=x", "a in (b", "-a=b", "a=b=c", "a>b>c"])
def test_what_is_no_selector_is_refused_with_its_part(said: str) -> None:
    with pytest.raises(BadSelector, match="selector"):
        parse_selector(said)


def test_a_label_selector_in_json_selects() -> None:
    body = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "edge"]},
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "rev", "operator": "Gt", "values": ["6"]},
        ],
    }
    assert selector_of(body).matches(WEB)
    assert not selector_of(body).matches(WEB | {"rev": "6"})
    assert not selector_of(body).matches(WEB | {"old": ""})


def test_a_selector_of_nonsense_does_not_raise() -> None:
    odd = {"matchLabels": 3, "matchExpressions": [1, {"key": "a", "operator": "Near", "values": [1]}]}
    assert not selector_of(odd).matches(WEB)
