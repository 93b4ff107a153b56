"""Pod to pod over two nodes: how long a gigabyte and a round trip take, each way of joining them in turn.

Every way has nodes and pods of its own; in each round each way carries TCP by iperf3 for a second, then one
byte there and back, client and server pinned to a core each. What is compared are medians of the rounds'
own ratios: whatever else the machine does, it does to the ways of one round alike. The VXLAN made by hand
masquerades what leaves the cluster, as flannel and we do: that makes the kernel track each connection. The
bare one and plain routing do not, and pods that use them reach nothing outside.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.overlay_pairs import Pair, join_by_hand, join_plainly, joined_by_us, masquerade, pair
from bench.overlay_world import Box, say, wait_until
from bench.report import Row
from linuxnet.netns import inside
from overlay.record import Mode

ROUNDS, QUICK_ROUNDS = 15, 5
TCP_SECONDS, TRIP_SECONDS = "1", "0.4"
LIMIT = 1.03  # times what the VXLAN made by hand takes: 0.97 of its throughput
SCRIPT = Path(__file__).with_name("overlay_round_trip.py")
HAND, BARE, PLAIN = "VXLAN by hand", "bare VXLAN", "plain routing"
OURS = {"vxlan": Mode.VXLAN, "vxlan-gpe": Mode.GPE, "direct": Mode.DIRECT}


@dataclass
class Way:
    """One way of joining two pods, and what it took: milliseconds a gigabyte, microseconds a round trip."""

    pods: tuple[Box, Box]
    address: str
    gigabyte: list[float] = field(default_factory=list)
    trip: list[float] = field(default_factory=list)


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure all ways, taking turns."""
    with ExitStack() as stack:
        ways = _make_ways(stack)
        for number in range(QUICK_ROUNDS if is_quick else ROUNDS):
            if number % 5 == 0:
                say(f"traffic, round {number + 1}")
            for way in _turned(list(ways.values()), number):
                way.gigabyte.append(carry(way.pods, way.address))
                way.trip.append(_trip(way))
        for peer, limit in ((HAND, LIMIT), (BARE, None), (PLAIN, None)):
            for ours in OURS:
                yield from _rows(ours, ways[ours], peer, ways[peer], limit)


def carry(pods: tuple[Box, Box], address: str, seconds: str = TCP_SECONDS) -> float:
    """Carry TCP from the first pod to the second; return the milliseconds for a gigabyte.

    Raises:
        RuntimeError: nothing got through.
    """
    server = pods[1].start(["taskset", "-c", "0", "iperf3", "-s", "-1"])
    try:
        wait_until(lambda: ":5201" in pods[1].run("ss -Htln"), "iperf3 listens")
        said = _in(pods[0], "taskset", "-c", "1", "iperf3", "-c", address, "-t", seconds, "-J")
        found = json.loads(said).get("end", {}).get("sum_received", {})
        if not found.get("bits_per_second"):
            raise RuntimeError(f"nothing got through to {address}: {said[:300]}")
        return 8e12 / float(found["bits_per_second"])
    finally:
        server.kill()
        server.wait()


def _make_ways(stack: ExitStack) -> dict[str, Way]:
    ways = {}
    for name in (PLAIN, BARE, HAND, *OURS):
        made: Pair = stack.enter_context(pair())
        if name in OURS:
            address = stack.enter_context(joined_by_us(made, OURS[name]))
        else:
            address = join_plainly(made) if name == PLAIN else join_by_hand(made)
        if name == HAND:
            masquerade(made)
        ways[name] = Way(made.pods, address)
        _in(made.pods[0], "ping", "-c1", "-W5", address)
    return ways


def _trip(way: Way) -> float:
    python = [sys.executable, "-I", "-S", str(SCRIPT)]
    server = way.pods[1].start(["taskset", "-c", "0", *python, "serve"])
    try:
        return float(_in(way.pods[0], "taskset", "-c", "1", *python, "ask", way.address, TRIP_SECONDS))
    finally:
        server.kill()
        server.wait()


def _in(box: Box, *command: str) -> str:
    with inside(box.netns):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _turned(ways: list[Way], number: int) -> list[Way]:
    """Return them in another order each round: nobody is always the first after a pause."""
    at = number % len(ways)
    return ways[at:] + ways[:at]


def _rows(name: str, ours: Way, peer_name: str, peer: Way, limit: float | None) -> Iterator[Row]:
    """Compare by the median of the rounds' ratios."""
    for what, unit, mine, other in (
        ("1 GB by TCP", "ms", ours.gigabyte, peer.gigabyte), ("round trip", "us", ours.trip, peer.trip),
    ):  # fmt: skip
        ratio = median(one / another for one, another in zip(mine, other, strict=True))
        yield Row(f"{what}, {name}, beside {peer_name}", unit, median(other) * ratio, median(other), limit)
