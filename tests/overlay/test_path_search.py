"""The search for a path's MTU, against paths that have one and lose packets by chance."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.path_search import TRIES, PathSearch


def ask(search: PathSearch, true: int, *, lost: set[int] | None = None) -> int:
    """Go through one search over a path of `true` bytes; return the number of questions.

    `lost`: the questions that get lost by chance, by their number.
    """
    search.begin()
    questions = 0
    while search.size is not None:
        questions += 1
        assert questions < 100, "it ends"
        assert 0 < search.size <= search.full
        if search.size <= true and questions not in (lost or ()):
            search.answered(search.size)
        else:
            search.unanswered(small_works=True)
    return questions


def found(search: PathSearch) -> int:
    return search.mtu or search.full


@given(st.integers(577, 9000), st.data())
def test_the_size_is_found_exactly_with_few_questions(full: int, data: st.DataObject) -> None:
    true = data.draw(st.integers(576, full))
    search = PathSearch(full, 576)
    questions = ask(search, true)
    assert found(search) == true and (search.mtu == 0) == (true == full)
    assert questions <= TRIES * (2 + ceil(log2(full - 575)))


@given(st.integers(577, 9000), st.data())
def test_a_loss_here_and_there_changes_nothing(full: int, data: st.DataObject) -> None:
    true = data.draw(st.integers(576, full))
    lost = set(data.draw(st.lists(st.integers(0, 30).map(lambda n: 2 * n + 1), max_size=10)))
    search = PathSearch(full, 576)
    ask(search, true, lost=lost)
    assert found(search) == true


@given(st.lists(st.integers(576, 1450), min_size=1, max_size=6))
def test_a_path_that_changes_is_followed(sizes: list[int]) -> None:
    search = PathSearch(1450, 576)
    for true in sizes:
        ask(search, true)
        assert found(search) == true


def test_what_worked_last_time_is_tried_first() -> None:
    search = PathSearch(8950, 576)
    ask(search, 1400)
    assert ask(search, 1400) <= TRIES + 1 + TRIES * ceil(log2(8950 - 1400)) + 1


def test_a_dead_node_tells_nothing_of_the_path() -> None:
    search = PathSearch(1450, 576)
    ask(search, 1400)
    search.begin()
    assert [search.unanswered(small_works=False) for _ in range(TRIES)] == [False] * TRIES
    assert search.mtu == 1400 and not search.is_searching


def test_a_node_that_dies_in_the_middle_tells_nothing() -> None:
    search = PathSearch(1450, 576)
    search.begin()
    for _ in range(TRIES):
        search.unanswered(small_works=True)
    assert search.is_searching
    for _ in range(TRIES):
        search.unanswered(small_works=False)
    assert not search.is_searching and search.mtu == 0


def test_a_late_answer_to_another_size_is_not_taken_for_this_one() -> None:
    search = PathSearch(1450, 576)
    search.begin()
    assert not search.answered(1000)
    assert search.size == 1450
    assert not search.answered(1450) and not search.is_searching
    assert not search.answered(1450), "nothing is asked any more"
    assert not search.unanswered(small_works=True)


def test_only_a_change_is_told() -> None:
    search = PathSearch(1450, 576)
    search.begin()
    assert not search.answered(1450)
    ask(search, 1400)
    search.begin()
    assert search.answered(1450), "it has grown again"


def test_another_full_size_begins_anew() -> None:
    search = PathSearch(1450, 576)
    ask(search, 1400)
    search.resize(1450)
    assert search.mtu == 1400
    search.resize(8950)
    assert (search.full, search.mtu, search.size) == (8950, 0, None)


@pytest.mark.parametrize("full", [576, 600, 1000])
def test_a_full_size_at_or_below_the_least_is_never_exceeded(full: int) -> None:
    search = PathSearch(full, 1280)
    ask(search, 500)
    assert found(search) <= full
