"""Are counts as even as chance would have them? Pearson's chi-square, with its p value. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Evenness(NamedTuple):
    """`p` is how often chance alone is at least as uneven as what was seen."""

    chi_square: float
    p: float

    def __str__(self) -> str:
        return f"chi-square {self.chi_square:.2f}, p = {self.p:.2g}"


def evenness(counts: Sequence[int]) -> Evenness:
    """Compare counts with all being equal; two of them at least, and one that is not 0."""
    expected = sum(counts) / len(counts)
    chi_square = sum((one - expected) ** 2 / expected for one in counts)
    return Evenness(chi_square, _tail(chi_square / 2, len(counts) - 1))


def _tail(half: float, degrees: int) -> float:
    """Return the chance that chi-square of so many degrees of freedom is more than `2 * half`.

    Abramowitz and Stegun 26.4.4 (odd) and 26.4.5 (even): a finite sum.
    """
    if degrees % 2 == 0:
        term = total = math.exp(-half)
        for number in range(1, degrees // 2):
            term *= half / number
            total += term
        return total
    total = math.erfc(math.sqrt(half))
    term = math.sqrt(half / math.pi) * 2 * math.exp(-half)
    for number in range(1, (degrees + 1) // 2):
        total += term
        term *= half / (number + 0.5)
    return total
