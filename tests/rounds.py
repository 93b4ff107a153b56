"""How often campaigns repeat: as often as fits into CI, or a multiple by PODWIRE_TEST_ROUNDS.

`PODWIRE_TEST_ROUNDS=10 ./dev test tests/campaigns` is for a night, or after a change of what they are about.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("PODWIRE_TEST_ROUNDS", "1"))


def rounds(usual: int) -> int:
    """Return how many rounds to make where CI makes `usual`; one at least."""
    return max(1, round(usual * FACTOR))


def stride(usual: int) -> int:
    """Return the distance of instants to try where CI tries every `usual`-th; with enough rounds it is 1."""
    return max(1, round(usual / FACTOR))
