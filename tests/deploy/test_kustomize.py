"""The tests' own kustomize, against what the real one does (kubectl kustomize, v5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.kustomize import merged


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        (
            {"containers": [{"name": "a", "image": "x", "env": [{"name": "N", "value": "1"}]}]},
            {"containers": [{"name": "a", "env": [{"name": "M"}]}, {"name": "b"}]},
            {
                "containers": [
                    {"name": "a", "image": "x", "env": [{"name": "N", "value": "1"}, {"name": "M"}]},
                    {"name": "b"},
                ]
            },
        ),
    ],
)  # fmt: skip
def test_a_patch_is_laid_over_an_object(before: Any, patch: Any, after: Any) -> None:
    assert merged(before, patch) == after
