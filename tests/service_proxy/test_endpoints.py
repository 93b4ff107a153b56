"""Endpoints by columns: they say what the tuples said that they were made of, and take little.

What is not of the family is left out.
"""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from service_proxy.endpoints import Endpoint, Endpoints, Hints, kept
from tests.rounds import rounds

TEXT = st.text(max_size=5)
ENDPOINTS = st.builds(
    Endpoint, st.binary(min_size=4, max_size=4) | st.binary(max_size=16), st.booleans(), st.booleans(),
    st.booleans(), TEXT, TEXT, TEXT, TEXT,
    st.none() | st.builds(Hints, st.lists(TEXT).map(tuple), st.lists(TEXT).map(tuple)),
)  # fmt: skip


@settings(max_examples=rounds(60))
@given(st.lists(ENDPOINTS, max_size=6), st.lists(ENDPOINTS, max_size=6))
def test_what_is_kept_is_what_was_given(ones: list[Endpoint], others: list[Endpoint]) -> None:
    found = kept(ones, 4)
    ones, others = ([one for one in some if len(one.address) == 4] for some in (ones, others))
    assert tuple(found) == tuple(ones)
    assert len(found) == len(ones)
    assert [found[i] for i in range(len(ones))] == ones
    assert (found == kept(others, 4)) == (ones == others)
    assert hash(found) == hash(kept(list(ones), 4))
    assert all(type(one) is Endpoint for one in found)


def test_a_hundred_thousand_take_a_few_bytes_each() -> None:
    tracemalloc.start()
    try:
        found = [
            kept(
                [
                    Endpoint(bytes((10, i >> 8, i & 255, j)), node=f"n-{j}", pod=f"w-{i}-{j}")
                    for j in range(10)
                ],
                4,
            )
            for i in range(1000)
        ]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(isinstance(one, Endpoints) for one in found)
    assert size / 10_000 < 60
