"""Whom a node asks: few, but together everybody."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.mesh import RANDOM, RING, sample

NAMES = [f"10.244.{n}.0-24" for n in range(200)]


@given(st.integers(1, 60), st.integers(0, 1 << 30), st.data())
def test_few_are_asked_each_once_and_never_oneself(count: int, seed: int, data: st.DataObject) -> None:
    names = sorted(NAMES[:count])
    own = data.draw(st.sampled_from(names))
    others = [one for one in names if one != own]
    asked = sample(own, others, Random(seed))
    assert len(asked) == min(len(others), RING + RANDOM) == len(set(asked))
    assert set(asked) <= set(others)


def test_each_node_is_asked_by_its_neighbours_whatever_chance_says() -> None:
    names = sorted(NAMES)
    askers = dict.fromkeys(names, 0)
    for own in names:
        for one in sample(own, [name for name in names if name != own], Random(own)):
            askers[one] += 1
    assert min(askers.values()) >= RING


def test_by_and_by_every_pair_meets() -> None:
    others = sorted(NAMES)[1:]
    random = Random(1)
    met = set()
    for _ in range(2000):
        met.update(sample(sorted(NAMES)[0], others, random))
    assert met == set(others)


@pytest.mark.parametrize("own", ["", "zzz", "10.244.100.0-24"])
def test_one_need_not_be_among_them(own: str) -> None:
    assert len(sample(own, sorted(NAMES), Random(1))) == RING + RANDOM
