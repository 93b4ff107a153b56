"""Slots are even, and few change hands."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linuxnet.service_entries import Target
from service_proxy.slots import SLOTS_MAX, TABLE_SIZES, WEIGHTED_MAX, arrange, counts, maglev, table_size

targets = st.integers(1, 40).map(lambda i: (bytes([10, 0, 0, i]), 80))
weights = st.dictionaries(targets, st.integers(1, 5), max_size=12)


def some(count: int, first: int = 0) -> dict[Target, int]:
    return {((0x0A000000 + i).to_bytes(4, "big"), 80): 1 for i in range(first, first + count)}


@given(st.lists(targets, max_size=20), weights)
def test_each_endpoint_has_the_slots_it_is_to_have(before: list[Target], wanted: dict[Target, int]) -> None:
    assert Counter(arrange(before, wanted)) == Counter(wanted)


@given(weights, weights)
def test_no_slot_changes_hands_without_need(before: dict[Target, int], wanted: dict[Target, int]) -> None:
    was = arrange((), before)
    now = arrange(was, wanted)
    kept = sum(a == b for a, b in zip(was, now, strict=False))
    could_stay = Counter(was[: len(now)]) & Counter(wanted)
    assert kept == could_stay.total()


def test_a_replaced_endpoint_gives_its_slot_to_the_new_one() -> None:
    was = arrange((), some(10))
    now = arrange(was, {**some(4), **some(5, 5), **some(1, 77)})
    assert [i for i in range(10) if was[i] != now[i]] == [4]


def test_a_vanished_endpoints_slot_is_filled_from_the_end() -> None:
    was = arrange((), some(10))
    now = arrange(was, {**some(4), **some(5, 5)})
    assert now == [*was[:4], was[9], *was[5:9]]


def test_the_slots_of_the_first_time_do_not_depend_on_the_order() -> None:
    assert arrange((), some(9)) == arrange((), dict(reversed(some(9).items())))


def test_a_million_endpoints_have_no_more_slots_than_there_are() -> None:
    assert len(arrange((), some(200_000))) == SLOTS_MAX


@given(st.dictionaries(targets, st.integers(1, 1000), min_size=1, max_size=30))
def test_weights_become_few_slots_in_their_proportion(wanted: dict[Target, int]) -> None:
    found = counts(wanted)
    assert found.keys() == wanted.keys()
    assert min(found.values()) >= 1
    assert sum(found.values()) <= WEIGHTED_MAX + len(wanted)
    heavy, light = max(wanted, key=lambda t: wanted[t]), min(wanted, key=lambda t: wanted[t])
    assert found[heavy] / found[light] == pytest.approx(wanted[heavy] / wanted[light], rel=1.01)


def test_equal_weights_are_one_slot_each() -> None:
    assert set(counts(dict.fromkeys(some(7), 600)).values()) == {1}


@pytest.mark.parametrize("count", [1, 2, 5, 12, 13, 50, 100, 500])
def test_maglevs_table_is_even_and_the_same_everywhere(count: int) -> None:
    table = maglev(some(count))
    assert len(table) == table_size(count)
    shares = Counter(table)
    assert len(shares) == count
    assert max(shares.values()) - min(shares.values()) <= 1
    assert maglev(dict(reversed(some(count).items()))) == table


@pytest.mark.parametrize("count", [3, 5, 10, 20, 50, 100])
def test_few_slots_move_when_an_endpoint_leaves(count: int) -> None:
    before = maglev(some(count))
    for gone in list(some(count))[:5]:
        left = {target: 1 for target in some(count) if target != gone}
        if table_size(len(left)) == len(before):
            moved = sum(a != b for a, b in zip(before, maglev(left), strict=True)) / len(before)
            assert 1 / count - 0.01 < moved < 1 / count + 0.15


def test_maglevs_shares_are_as_the_weights() -> None:
    a, b, c = some(3)
    shares = Counter(maglev({a: 1, b: 2, c: 5}))
    total = shares.total()
    assert [shares[one] / total for one in (a, b, c)] == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(targets, st.integers(1, 1000), max_size=12))
def test_any_weights_fill_the_table(wanted: dict[Target, int]) -> None:
    assert len(maglev(wanted)) == (table_size(len(wanted)) if wanted else 0)


def test_table_sizes_are_prime_and_hold_all() -> None:
    for size, most in TABLE_SIZES:
        assert all(size % i for i in range(2, int(size**0.5) + 1))
        assert most <= size
