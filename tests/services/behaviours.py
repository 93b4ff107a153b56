"""What is shown: each case names the line of the behaviour it shows, and the run writes a table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import pytest

MARK = "behaviour"
Case = TypeVar("Case", bound=Callable[..., Any])


class Behaviour(NamedTuple):
    """One row: the group it belongs to, and what happens, in a sentence."""

    group: str
    sentence: str
    case: str


def shows(group: str) -> Callable[[Case], Case]:
    """Mark a case with the group of behaviours it belongs to; its docstring is the sentence."""

    def mark(case: Case) -> Case:
        assert case.__doc__, case
        return getattr(pytest.mark, MARK)(group)(case)  # type: ignore[no-any-return]

    return mark


def behaviour_of(item: pytest.Item) -> Behaviour | None:
    """Return what a test shows; None for one that shows none."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return None
    assert isinstance(item, pytest.Function)
    sentence = " ".join((item.function.__doc__ or "").split())
    return Behaviour(mark.args[0], sentence, item.originalname)
