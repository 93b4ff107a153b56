"""An underlay hop of 1400 in the middle, and routers that say nothing of it (their ICMP is dropped).

flannel's default (`df` unset) has its outer packets cut to pieces; `df set` alone is a black hole; ours
probes with full-size packets and locks the route's MTU, so that the node itself tells the pods, running ones
too. Fragments are counted at nodes and routers while TCP is carried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from bench.overlay_pairs import Pair, join_by_hand, joined_by_us, pair
from bench.overlay_traffic import carry
from bench.overlay_world import say
from bench.report import Row
from overlay.record import Mode

ROUNDS, QUICK_ROUNDS = 7, 3
LOCKED = {Mode.VXLAN: 1350, Mode.GPE: 1364}  # bytes inside: 1400 less 50, less 36
FLANNELS, LOCK_BY_HAND = "df unset, as flannel", "mtu lock by hand"


@dataclass
class Way:
    """One way over the small hop: milliseconds a gigabyte, and the fragments of all rounds."""

    pair: Pair
    address: str
    gigabyte: list[float] = field(default_factory=list)
    fragments: int = 0


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure all ways, taking turns."""
    say("path MTU: an underlay hop of 1400, no ICMP")
    with ExitStack() as stack:
        ways = _make_ways(stack)
        for _ in range(QUICK_ROUNDS if is_quick else ROUNDS):
            for way in ways.values():
                before = way.pair.fragments()
                way.gigabyte.append(carry(way.pair.pods, way.address))
                way.fragments += way.pair.fragments() - before
        for mode in LOCKED:
            yield from _rows(mode.value, ways)
        yield Row("1 GB over a hop of 1400, mtu lock by hand, beside flannel's", "ms",
                  median(ways[LOCK_BY_HAND].gigabyte), median(ways[FLANNELS].gigabyte))  # fmt: skip
    yield Row("bytes through a hop of 1400, df set alone", "number", _black_hole())


def _rows(name: str, ways: dict[str, Way]) -> Iterator[Row]:
    ours, flannels = ways[name], ways[FLANNELS]
    yield Row(f"outer fragments over a hop of 1400, {name}", "number", ours.fragments, flannels.fragments,
              0, "ours")  # fmt: skip
    took = median(ours.gigabyte)
    yield Row(
        f"1 GB over a hop of 1400, {name}, beside flannel's", "ms", took, median(flannels.gigabyte), 1.0
    )


def _make_ways(stack: ExitStack) -> dict[str, Way]:
    ways = {}
    for name, df, lock in ((FLANNELS, "unset", 0), (LOCK_BY_HAND, "unset", 1350)):
        made = stack.enter_context(pair(has_small_hop=True, says_so=False))
        ways[name] = Way(made, join_by_hand(made, df=df, lock=lock))
    for mode, lock in LOCKED.items():
        made = stack.enter_context(pair(has_small_hop=True, says_so=False))
        ways[mode.value] = Way(made, stack.enter_context(joined_by_us(made, mode, lock=lock)))
    return ways


def _black_hole() -> float:
    """Send full-size packets where `df set` is all there is; return the bytes that came through."""
    with pair(has_small_hop=True, says_so=False) as made:
        address = join_by_hand(made, df="set")
        try:
            made.pods[0].run(f"ping -c 3 -i 0.2 -W 1 -s 1422 {address}")
        except RuntimeError:  # no answer
            return 0
        return 3 * 1422
