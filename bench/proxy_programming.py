"""A cluster's services -> kernel: all at once, one endpoint replaced, one service scaled, and what it takes.

The whole loop is measured, ServiceNode as the agent runs it, from the moment in which its source hands it
values until the kernel has answered the last transaction: catalogue, decisions, difference, batch. The
peer gets the same services as text by `nft -f`. Each size is measured in processes of its own, so that
memory is its own.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median
from typing import cast
from unittest import mock

from bench import proxy_chains, proxy_objects
from bench.overlay_world import boxes, leave_netns, memory_of, say
from bench.report import Row
from linuxnet.service_entries import Entry
from linuxnet.service_table import ServiceTable
from service_proxy.catalogue import Event, Kind
from service_proxy.node import ServiceNode
from service_proxy.settings import ProxySettings
from service_proxy.sources.source import Source

SIZES, QUICK_SIZES = (1_000, 10_000, 30_000), (1_000,)
EACH = 10  # endpoints of a service
LIMITED = 10_000  # services; the size that has limits
LOAD_LIMIT, CHANGE_LIMIT, TAIL_LIMIT, MEMORY_LIMIT = 1.5, 0.2, 2.0, 100.0  # s, ms, ms, MiB
CHANGES, PEER_CHANGES = 1000, 10
APART = 0.0015  # seconds from one change to the next: the loop rests for 1 ms after each
ROUNDS = 3  # of a load, the fastest counts: the machine is not ours alone
PEER_MOST = 10_000  # services; its time grows with their square: minutes for 30,000
OLD = 1 << 19  # the number from which on endpoints are of no service at the beginning


@dataclass
class Figures:
    """What one contender took: seconds, and MiB of the process while it loads and afterwards."""

    load: float = 0.0
    replaced: list[float] = field(default_factory=list)
    scaled: list[float] = field(default_factory=list)
    memory: float = 0.0
    most_memory: float = 0.0


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure every size."""
    for size in QUICK_SIZES if is_quick else SIZES:
        say(f"{size:,} services")
        found = [_apart(size) for _ in range(1 if is_quick else ROUNDS)]
        ours = min(found, key=lambda one: one.load)
        ours.replaced = min((one.replaced for one in found), key=_p50)
        ours.scaled = min((one.scaled for one in found), key=_p50)
        yield from _rows_of(size, ours, _peer_apart(size) if size <= PEER_MOST else None)


def _rows_of(size: int, ours: Figures, peer: Figures | None) -> Iterator[Row]:
    what = f"{size:,} services"
    without = "" if peer else " (the peer takes minutes)"
    peer = peer or Figures()
    is_limited = size == LIMITED

    def row(name: str, unit: str, mine: float, theirs: float, limit: float | None = None) -> Row:
        return Row(name, unit, mine, theirs or None, limit if is_limited else None, "ours")

    yield row(f"load {what}{without}", "s", ours.load, peer.load, LOAD_LIMIT)
    verb = f"one endpoint replaced of {what}"
    yield row(f"{verb}, p50", "ms", _p50(ours.replaced), _p50(peer.replaced), CHANGE_LIMIT)
    yield row(f"{verb}, p99", "ms", _p99(ours.replaced), _p99(peer.replaced), TAIL_LIMIT)
    verb = f"one service scaled of {what}"
    yield row(f"{verb}, p50", "ms", _p50(ours.scaled), _p50(peer.scaled))
    yield row(f"{verb}, p99", "ms", _p99(ours.scaled), _p99(peer.scaled))
    yield row(f"memory of {what}", "MiB", ours.memory, peer.memory, MEMORY_LIMIT)
    yield row(f"memory of {what}, at most", "MiB", ours.most_memory, peer.most_memory, MEMORY_LIMIT)


def _apart(size: int) -> Figures:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure_ours, size).result()


def _peer_apart(size: int) -> Figures:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure_peer, size).result()


def _p50(times: list[float]) -> float:
    """Return the median in milliseconds; 0 of none."""
    return median(times) * 1e3 if times else 0.0


def _p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100] * 1e3 if times else 0.0


class Script:
    """A source that says what it is told to, and notes when: one step at each turn of the loop."""

    kinds = frozenset(Kind)

    def __init__(self, steps: Iterator[list[Event]]) -> None:
        self.times: list[float] = []
        self.node: ServiceNode | None = None
        self._steps = steps
        self.committed = 0.0  # when the kernel answered last
        self._told = 0.0  # when it was told last, or 0.0
        self._rest_until = 0.0
        self._bell = os.eventfd(1)  # always readable: there is more

    def fileno(self) -> int:
        """Return a descriptor that is readable."""
        return self._bell

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End."""
        os.close(self._bell)

    def conditions(self) -> tuple[()]:
        """Return no troubles."""
        return ()

    def next(self, timeout: float) -> list[Event]:
        """Return the next step; who asks has done the one before."""
        now = time.perf_counter()
        if self._told:
            self.times.append(self.committed - self._told)
            self._told, self._rest_until = 0.0, now + APART
        if now < self._rest_until:
            return []
        step = next(self._steps, None)
        if step is None:
            assert self.node is not None
            self.node.stop()
            return []
        self._told = time.perf_counter()
        return step


def measure_ours(size: int) -> Figures:
    """Measure ours in this process, in a network namespace of its own."""
    leave_netns()
    found = Figures()
    listed = proxy_objects.whole(size, EACH)

    def steps() -> Iterator[list[Event]]:
        yield listed
        listed.clear()
        found.memory, found.most_memory = memory_of("self"), memory_of("self", "VmHWM")
        for i in range(CHANGES):
            yield [proxy_objects.replaced(i * 7919 % size, EACH, OLD + i)]
        for i in range(CHANGES):
            yield [proxy_objects.scaled(i * 7919 % size, EACH + 1 + i % 2)]
        found.memory = max(found.memory, memory_of("self"))

    run(script := Script(steps()))
    found.load, found.replaced = script.times[0], script.times[1 : 1 + CHANGES]
    found.scaled = script.times[1 + CHANGES :]
    return found


def run(script: Script) -> None:
    """Run the loop until the script is over, in the network namespace of the calling thread."""
    settings = ProxySettings.model_validate({"node": proxy_objects.NODE, "healthz": ""})
    script.node = node = ServiceNode(settings, lambda conditions: cast(Source, script))
    change = ServiceTable.change

    def noting(table: ServiceTable, added: Collection[Entry], removed: Collection[Entry] = ()) -> None:
        change(table, added, removed)
        script.committed = time.perf_counter()

    with mock.patch.object(ServiceTable, "change", noting):
        node.run()
    if node.conditions.as_json() or node.figures.failures:
        raise RuntimeError(f"not all is well: {node.conditions.as_json()}")


def measure_peer(size: int) -> Figures:
    """Measure a chain for each service, with the same services."""
    found = Figures()
    with boxes(1) as (box,):
        found.load = box.batch("nft", list(proxy_chains.whole(size, EACH)))
        found.memory = found.most_memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        for i in range(PEER_CHANGES):
            number = i * 7919 % size
            addresses = proxy_chains.endpoints_of(number, EACH)
            addresses[EACH // 2] = proxy_chains.endpoint(OLD + i)
            found.replaced.append(box.batch("nft", proxy_chains.changed(number, addresses)))
            found.scaled.append(box.batch("nft", proxy_chains.changed(number, [*addresses, "10.255.0.1"])))
    return found
