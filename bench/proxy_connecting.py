"""connect(2) to a ClusterIP with 10 endpoints, from the node itself: the whole handshake is in the call.

Four namespaces with the same service, alone or among 10,000, ours and the peer's; they take turns, and of
each one's rounds the fastest median counts.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from bench import proxy_chains, proxy_objects
from bench.overlay_world import Box, boxes, say
from bench.proxy_programming import EACH, Script, run
from bench.report import Row
from linuxnet.netns import inside

SIZES, QUICK_SIZES = (1, 10_000), (1, 1_000)
FLAT = 1.1  # times what connecting takes with one service
ROUNDS, CONNECTIONS = 15, 1000
_RESET = struct.pack("ii", 1, 0)  # linger: a reset at close leaves nothing to wait for


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure."""
    sizes = QUICK_SIZES if is_quick else SIZES
    say(f"connecting with {' and '.join(f'{size:,}' for size in sizes)} services")
    with boxes(2 * len(sizes)) as made:
        ours, peers = made[: len(sizes)], made[len(sizes) :]
        for size, our, peer in zip(sizes, ours, peers, strict=True):
            _make_ours(our, size)
            peer.batch("nft", list(proxy_chains.whole(size, EACH)))
        found = _measure([*ours, *peers], 5 if is_quick else ROUNDS)
    few, many = (f"{size:,} service{'s' if size > 1 else ''}" for size in sizes)
    our_few, our_many, peer_few, peer_many = (found[one.netns] * 1e6 for one in made)
    yield Row(f"connect with {few}", "us", our_few, peer_few)
    yield Row(f"connect with {many}", "us", our_many, peer_many)
    yield Row(
        f"growth of connect, {few} to {many}", "times", our_many / our_few, peer_many / peer_few, FLAT, "ours"
    )


def _make_ours(box: Box, size: int) -> None:
    """Have the services in a namespace; a process of its own puts them there, and they stay."""
    with inside(box.netns), ProcessPoolExecutor(1, get_context("fork")) as pool:
        pool.submit(_load, size).result()


def _load(size: int) -> None:
    run(Script(iter([proxy_objects.whole(size, EACH)])))


def _measure(worlds: list[Box], rounds: int) -> dict[int, float]:
    """Return the fastest round's median in each namespace, in seconds."""
    times: dict[int, list[float]] = {box.netns: [] for box in worlds}
    for box in worlds:
        box.run("ip route add 10.96.0.0/12 dev lo")
        for address in proxy_chains.endpoints_of(0, EACH):
            box.run(f"ip address add {address}/32 dev lo")
    for _ in range(rounds):
        for box in worlds:
            with inside(box.netns):
                times[box.netns].append(_median_of_connects())
    return {netns: min(found) for netns, found in times.items()}


def _median_of_connects() -> float:
    front = proxy_chains.cluster_ip(0), proxy_chains.PORT
    found = []
    with socket.create_server(("", proxy_chains.TARGET), backlog=8) as server:
        for _ in range(CONNECTIONS):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                started = time.perf_counter()
                client.connect(front)
                found.append(time.perf_counter() - started)
                server.accept()[0].close()
    return median(found)
