"""DNS: what an answer costs a core, beside unbound, and CoreDNS where it is found (COREDNS, or on PATH).

10,000 services with 10 endpoints each. dnsperf asks from the other core. What is told is a server's own time
per answer, user and system, in microseconds: 10 are 100,000 answers a second and core; what else runs on
the machine does not change it much. Ours has a limit of 10 by UDP. The servers take turns.

hits          every service in turn        hot          100 of them
NODATA        AAAA where there is A only   NXDOMAIN     no such service
search path   names of outside with the search path, as ndots:5 makes them
EDNS          hits, with EDNS              TCP          hits, over 8 connections
memory        RSS of the process that answers, MiB; load: the catalogue's 10,000 services told to it, seconds
busy agent    mean latency at 500 queries a second while the agent's own threads work: answered by a process
              of its own (ours) and by a thread of the agent (peer); why it is a process
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Thread

from bench.dns_servers import (
    ADDRESS,
    ORIGIN,
    SERVICES,
    Contender,
    coredns,
    fill,
    find_coredns,
    name_of,
    ours,
    unbound,
)
from bench.overlay_world import Box, boxes, make_world_private
from bench.report import Row
from linuxnet.netns import inside
from service_proxy.catalogue import Catalogue
from service_proxy.dns.answers import Answers
from service_proxy.dns.feed import Feed
from service_proxy.dns.server import Server
from service_proxy.dns.sockets import open_pair
from service_proxy.dns.updates import apply
from service_proxy.dns.zone import Zone

CLIENT_CORE = 1
LIMIT = 10.0  # microseconds of an answer
MEMORY_LIMIT = 100.0  # MiB
HOT = 100
THREAD_PORT = 5304

_COMPLETED = re.compile(r"Queries completed:\s+(\d+)")
_LATENCY = re.compile(r"Average Latency \(s\):\s+([0-9.]+)")


@dataclass(frozen=True)
class Load:
    """What is asked: lines of `name type`, and dnsperf's options."""

    name: str
    queries: Sequence[str]
    options: tuple[str, ...] = ()
    limit: float | None = LIMIT


def loads() -> list[Load]:
    """Return what is asked, one after the other."""
    hits = [f"{name_of(one)} A" for one in range(SERVICES)]
    outside = [f"www.site-{one}.example.{ORIGIN} A" for one in range(SERVICES)]
    return [
        Load("hits", hits),
        Load("hot", hits[:HOT]),
        Load("NODATA", [f"{name_of(one)} AAAA" for one in range(SERVICES)]),
        Load("NXDOMAIN", [f"no-{name_of(one)} A" for one in range(SERVICES)]),
        Load("search path", outside),
        Load("EDNS", hits, ("-e",)),
        Load("TCP", hits, ("-m", "tcp"), None),
    ]


def measure(arguments: list[str]) -> list[Row]:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="bench dns")
    parser.add_argument("--quick", action="store_true", help="one short round: a first look")
    is_quick = parser.parse_args(arguments).quick
    make_world_private()
    with tempfile.TemporaryDirectory() as folder, boxes(1) as (box,):
        return [*_costs(box, Path(folder), is_quick=is_quick), _load_time(), _busy_agent(box, Path(folder))]


def _costs(box: Box, folder: Path, *, is_quick: bool) -> Iterator[Row]:
    rounds, seconds = (1, 1) if is_quick else (3, 3)
    with ExitStack() as stack:
        us = stack.enter_context(ours(box))
        peers = [stack.enter_context(unbound(box, folder))]
        if (program := find_coredns()) is not None:
            peers.append(stack.enter_context(coredns(box, folder, program)))
        for load in loads():
            file = folder / "queries"
            file.write_text("\n".join(load.queries) + "\n")
            costs: dict[str, list[float]] = {one.name: [] for one in (us, *peers)}
            for number in range(rounds + 1):
                for one in (us, *peers):  # they take turns; the first round warms up
                    cost = _cost(box, one, file, load, seconds if number else 1)
                    costs[one.name] += [cost] if number else []
            mine = median(costs["ours"])
            for one in peers:
                name = f"{load.name}, {one.name}"
                yield Row(name, "us", mine, median(costs[one.name]), load.limit, "ours")
        for one in peers:
            yield Row(f"memory, {one.name}", "MiB", us.memory, one.memory, MEMORY_LIMIT, "ours")


def _cost(box: Box, one: Contender, file: Path, load: Load, seconds: int) -> float:
    """Return the microseconds of an answer."""
    before = one.busy
    said = _dnsperf(box, one.port, file, *load.options, "-l", str(seconds), "-c", "8", "-q", "100")
    return (one.busy - before) / float(_found(_COMPLETED, said)) * 1e6


def _dnsperf(box: Box, port: int, file: Path, *options: str) -> str:
    command = [
        "taskset",
        "-c",
        str(CLIENT_CORE),
        "dnsperf",
        "-s",
        ADDRESS,
        "-p",
        str(port),
        "-d",
        str(file),
        *options,
    ]
    with inside(box.netns):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _found(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.search(said)
    if found is None:
        raise RuntimeError(f"dnsperf says no {pattern.pattern}: {said}")
    return found[1]


def _load_time() -> Row:
    """Measure what a process and the agent do together from a full catalogue to a full zone."""
    catalogue = Catalogue()
    feed = Feed(catalogue)
    fill(catalogue)
    started = time.perf_counter()
    _filled(feed)
    return Row("load", "s", time.perf_counter() - started, None, 1.5, "ours")


def _filled(feed: Feed) -> Answers:
    answers = Answers(Zone(), 1)
    for update in feed.everything():
        apply(update, answers)
    return answers


def _busy_agent(box: Box, folder: Path) -> Row:
    """Measure how long an answer takes while this process works, as an agent does that serves twenty pods."""
    file = folder / "queries"
    file.write_text("\n".join(f"{name_of(one)} A" for one in range(SERVICES)) + "\n")
    with ours(box) as us, _work():
        alone = _latency(box, us.port, file)
    with _thread(box), _work():
        together = _latency(box, THREAD_PORT, file)
    return Row("busy agent", "ms", alone, together)


def _latency(box: Box, port: int, file: Path) -> float:
    return float(_found(_LATENCY, _dnsperf(box, port, file, "-l", "3", "-Q", "500"))) * 1000


@contextmanager
def _work() -> Iterator[None]:
    is_over = False

    def spin() -> None:
        while not is_over:
            sum(range(1000))

    thread = Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        is_over = True
        thread.join()


@contextmanager
def _thread(box: Box) -> Iterator[None]:
    """Answer in a thread of this process."""
    catalogue = Catalogue()
    feed = Feed(catalogue)
    fill(catalogue)
    with inside(box.netns):
        pair = open_pair(bytes(map(int, ADDRESS.split("."))), THREAD_PORT)
    server = Server(_filled(feed), [pair])
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()
        server.close()
        pair.close()
