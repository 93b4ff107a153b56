"""Whom a node asks whether it is there: its neighbours on a ring of names, and a few at random. Pure.

All pairs would be n² questions. So many observers a node has that one dead node is told from one dead link,
and by and by the random ones meet every pair.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from random import Random

RING = 8  # neighbours, four to each side
RANDOM = 2


def sample(own: str, others: Sequence[str], random: Random) -> list[str]:
    """Return the keys to ask this time, of `others`, which are sorted."""
    if len(others) <= RING + RANDOM:
        return list(others)
    at = bisect(others, own)
    ring = [others[(at + i) % len(others)] for i in range(-RING // 2, RING // 2)]
    rest = random.sample(others, min(len(others), RING + 2 * RANDOM))
    return ring + [one for one in rest if one not in ring][:RANDOM]
