"""Quantities are numbers, exactly and rounded up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod_runner.manifests.quantity import amount, cpu, memory

CASES = [
    ("0", 0), ("128974848", 128974848), ("129e6", 129000000), ("129M", 129000000), ("123Mi", 128974848),
    ("128974848000m", 128974848), ("1Ki", 1024), ("1k", 1000), ("1E", 10**18), ("1Ei", 2**60), ("1E3", 1000),
    ("1e3", 1000), (".5Gi", 2**29), ("1.", 1), ("+1", 1), (2, 2), (1.5, 2), ("100n", 1),
]  # fmt: skip
CORES = [("500m", 0.5), ("0.1", 0.1), (2, 2.0), ("1n", 0.001), ("1500m", 1.5)]
NONE = ["", "m", "1 Mi", "1mi", "0x10", "1Kib", "e3", "1e", "--1", "nan", "inf", "1" * 65, "1e9999"]


@pytest.mark.parametrize(("text", "number"), CASES)
def test_memory_is_whole_bytes(text: str | float, number: int) -> None:
    assert memory(text) == number


@pytest.mark.parametrize(("text", "cores"), CORES)
def test_cpu_is_cores(text: str | int, cores: float) -> None:
    assert cpu(text) == cores


@pytest.mark.parametrize("text", NONE)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        amount(text)


@given(st.decimals(0, 10**9, places=3), st.sampled_from(["", "k", "M", "Ki", "Mi", "Gi", "m"]))
def test_no_quantity_is_rounded_down(number: Decimal, suffix: str) -> None:
    assert memory(f"{number}{suffix}") >= amount(f"{number}{suffix}")
