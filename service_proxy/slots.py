"""Endpoints -> slots: who has which number, so that few numbers change hands. Pure.

A front end chooses a slot, by chance or by a hash. Where chance chooses, an endpoint keeps its slots while it
is there: a replaced one's slots go to the new one, a vanished one's are filled from the end. Where a hash
chooses, Maglev's tables (Eisenbud et al., NSDI 2016, section 3.4) give every node the same table, and all but
a few slots stay when an endpoint leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from heapq import heapify, heapreplace
from itertools import cycle, islice
from math import gcd

from linuxnet.service_entries import Target

SLOTS_MAX = 65536  # of a list: where the Local list's slots begin (linuxnet.service_chains.LOCAL)
WEIGHTED_MAX = 4096  # slots of a list with weights; more only if there are more endpoints
TABLE_SIZES = ((251, 12), (1021, 51), (4093, 1023), (16381, 4095), (65521, 65521))  # primes, for so many
# endpoints: 20 slots each where they are few, so that shares are even to 5 per cent


def counts(weights: Mapping[Target, int]) -> dict[Target, int]:
    """Return how many slots each endpoint has: as its weight, divided by what divides all.

    Weights are above 0. Those that would take too many slots are scaled down, to one slot at least.
    """
    divisor = reduce(gcd, weights.values(), 0) or 1
    found = {target: weight // divisor for target, weight in weights.items()}
    total, most = sum(found.values()), max(WEIGHTED_MAX, len(found))
    if total > most:
        found = {target: max(1, weight * most // total) for target, weight in found.items()}
    return found


def arrange(before: Sequence[Target], wanted: Mapping[Target, int]) -> list[Target]:
    """Return the slots' endpoints; `before` are those of now, `wanted` how many slots each is to have."""
    total = min(sum(wanted.values()), SLOTS_MAX)
    left = dict(wanted)
    found: list[Target | None] = []
    for target in before[:total]:
        if left.get(target):
            left[target] -= 1
            found.append(target)
        else:
            found.append(None)
    found += [None] * (total - len(found))
    rest = (target for target in sorted(left) for _ in range(left[target]))
    return [target if target is not None else next(rest) for target in found]


def table_size(endpoints: int) -> int:
    """Return the size of Maglev's table: a prime, so that an endpoint's steps visit every slot."""
    return next((size for size, most in TABLE_SIZES if endpoints <= most), TABLE_SIZES[-1][0])


def maglev(weights: Mapping[Target, int]) -> list[Target]:
    """Return Maglev's table. The same endpoints give the same table, wherever and whenever."""
    targets = sorted(weights)[: TABLE_SIZES[-1][1]]
    if not targets:
        return []
    size = table_size(len(targets))
    orders = [_order(target, size) for target in targets]
    places = [offset for offset, _ in orders]
    table: list[Target | None] = [None] * size
    for index in islice(_turns([weights[target] for target in targets]), size):
        place, step = places[index], orders[index][1]
        while table[place] is not None:
            place = (place + step) % size
        table[place] = targets[index]
        places[index] = (place + step) % size
    return [one for one in table if one is not None]


def _turns(weights: Sequence[int]) -> Iterator[int]:
    """Yield, without end, who claims the next slot: everybody once a round, heavier ones more often."""
    if len(set(weights)) == 1:
        yield from cycle(range(len(weights)))
    due = [(1 / weight, index) for index, weight in enumerate(weights)]
    heapify(due)
    while True:
        when, index = due[0]
        yield index
        heapreplace(due, (when + 1 / weights[index], index))


def _order(target: Target, size: int) -> tuple[int, int]:
    """Return where an endpoint's order begins, and its steps."""
    digest = blake2b(target[0] + target[1].to_bytes(2, "big"), digest_size=16).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    return first % size, second % (size - 1) + 1
