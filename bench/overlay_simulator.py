"""Thousands of nodes claim, change their addresses and leave in a real etcd, while a real agent follows.

The simulated nodes are `KeyValueRegistry`s, the code that real nodes claim with; one follower's table serves
them all, as a node's own follower serves its claims. What they did is judged by etcd's own history from its
first revision on: no subnet ever changes hands without having been given back, no node ever has two.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event, Thread, local

from bench.overlay_records import mac, public
from bench.overlay_world import (
    Agent,
    Box,
    agent,
    boxes,
    etcd,
    make_segment,
    make_world_private,
    opened,
    say,
    wait_until,
)
from bench.report import Row
from cluster_store.opening import open_store
from cluster_store.store import Put, Snapshot, Store
from overlay.flannel_form import OURS
from overlay.key_value import KeyValueRegistry
from overlay.key_value_following import FollowedTable
from overlay.lease_keys import Keys
from overlay.record import WIRE_VERSION, Mode, NodeRecord, Offer

NODES, QUICK_NODES = 5_000, 500
POOL = "10.64.0.0/11"  # 8,192 subnets of /24: six in ten are taken, so that claims meet
AT_ONCE = 8  # nodes that speak with etcd at one time
CHANGED, LEFT = 5, 10  # one node of so many gets another address; one of so many leaves, and another comes
MEMORY_LIMIT = 80.0  # MiB
SETTLED = 30.0  # seconds for the agent to be done with the last event


def measure(arguments: list[str]) -> list[Row]:
    """Run the simulator alone."""
    parser = argparse.ArgumentParser(prog="bench overlay_simulator")
    parser.add_argument("--nodes", type=int, default=NODES, help=f"nodes that claim ({NODES})")
    chosen = parser.parse_args(arguments)
    make_world_private()
    return list(simulate(chosen.nodes))


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Run the simulator as a part of the overlay's bench."""
    yield from simulate(QUICK_NODES if is_quick else NODES)


def simulate(number: int) -> Iterator[Row]:
    """Let so many nodes come, change and go, and yield what that took and whether it was right."""
    keys = Keys()
    with ExitStack() as stack:
        node, hub = stack.enter_context(boxes(2))
        make_segment(hub, [node])
        url = stack.enter_context(etcd(node))
        store = stack.enter_context(opened(node, url))
        conf = {"Network": POOL, "Backend": {"Type": Mode.VXLAN.value}}
        store.commit([], [Put(keys.config, json.dumps(conf))])
        real = stack.enter_context(agent(node, "real", url))
        wait_until(
            lambda: bool(store.list(f"{keys.prefix}/podwire/owned/").items), "the real node has its lease"
        )
        say(f"{number:,} simulated nodes")
        cpu, began = real.cpu(), time.monotonic()
        with _storm(url, keys) as storm:
            storm.run(number)
        took = time.monotonic() - began
        lag = _wait_settled(node, store, keys) - began - took
        events, faults = judge(store, keys)
        if faults:
            say("; ".join(faults[:5]))
        yield from _rows(number, events, len(faults), took, lag, real, real.cpu() - cpu)


def _rows(
    number: int, events: int, faults: int, took: float, lag: float, real: Agent, cpu: float
) -> Iterator[Row]:
    what = f"{number:,} nodes"
    yield Row(f"double owners in etcd's history, {what}", "number", faults, None, 0, "ours")
    name = f"one event of the storm, {what}, {events:,} events, {events / took:,.0f} a second"
    yield Row(name, "ms", took / events * 1e3)
    yield Row(f"last event -> the agent's kernel is right, {what}", "ms", lag * 1e3, None, 1000.0, "ours")
    yield Row(f"the agent's processor, for one event of {what}", "ms", cpu / events * 1e3)
    yield Row(f"the agent's processor during the storm, {what}", "% of a core", cpu / took * 100)
    yield Row(
        f"memory of the agent, most ever, {what}", "MiB", real.memory("VmHWM"), None, MEMORY_LIMIT, "ours"
    )


class Storm:
    """Simulated nodes in threads, each thread with a connection of its own."""

    def __init__(self, url: str, keys: Keys, followed: FollowedTable) -> None:
        self._url, self._keys, self._followed = url, keys, followed
        self._of_thread = local()
        self._stores: list[Store] = []

    def run(self, number: int) -> None:
        """Let nodes claim; then let some change their addresses, some leave, and others come."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = dict(enumerate(pool.map(self._claim, range(number))))
            list(pool.map(lambda i: self._move(i, first[i]), range(0, number, CHANGED)))
            list(pool.map(lambda i: self._leave(i, first[i]), range(1, number, LEFT)))
            list(pool.map(self._claim, range(number, number + number // LEFT)))

    def close(self) -> None:
        """Close all connections."""
        for store in self._stores:
            store.close()

    def _claim(self, i: int) -> NodeRecord:
        offer = Offer(Mode.VXLAN, 0, 1, mac(i))
        name = f"node-{i:05}"
        wanted = NodeRecord(
            "", (), public(i), offers=(offer,), node=name, boot=name, mtu=1500, wire_version=WIRE_VERSION
        )
        return self._registry(i).acquire(wanted)

    def _move(self, i: int, record: NodeRecord) -> None:
        self._registry(i).publish(replace(record, public4=public(100_000 + i)))

    def _leave(self, i: int, record: NodeRecord) -> None:
        self._registry(i).release(record.key)

    def _registry(self, i: int) -> KeyValueRegistry:
        name = f"node-{i:05}"
        return KeyValueRegistry(self._store(), name, name, self._keys, self._followed)

    def _store(self) -> Store:
        if not hasattr(self._of_thread, "store"):
            self._of_thread.store = open_store(self._url)
            self._stores.append(self._of_thread.store)
        found: Store = self._of_thread.store
        return found


@contextmanager
def _storm(url: str, keys: Keys) -> Iterator[Storm]:
    """Run a follower beside a storm. The calling thread is in etcd's namespace, and so are its threads."""
    followed, stopped = FollowedTable(keys), Event()
    store = open_store(url)
    follower = KeyValueRegistry(store, "follower", "", keys, followed).follow()
    thread = Thread(target=_follow, args=(follower.next, stopped), daemon=True)
    storm = Storm(url, keys, followed)
    thread.start()
    try:
        yield storm
    finally:
        stopped.set()
        thread.join()
        follower.close()
        store.close()
        storm.close()


def _follow(next_one: Callable[[float], object], stopped: Event) -> None:
    while not stopped.is_set():
        next_one(0.2)


def _wait_settled(node: Box, store: Store, keys: Keys) -> float:
    """Wait until the kernel has routes to all others' subnets and no more; return when that was seen."""
    wanted = {
        one.key.rpartition("/")[2].replace("-", "/") for one in store.list(f"{keys.prefix}/subnets/").items
    }
    own = next(one for one in node.run("ip -4 -o addr show dev flannel.1").split() if one.endswith("/32"))
    wanted.discard(own.replace("/32", "/24"))
    wait_until(lambda: _routes(node) == wanted, "the agent has programmed the last event", SETTLED)
    return time.monotonic()


def _routes(node: Box) -> set[str]:
    lines = node.run("ip route show proto 156").splitlines()
    return {line.split()[0] for line in lines if " nhid " in line}


def judge(store: Store, keys: Keys) -> tuple[int, list[str]]:
    """Read etcd's whole history; return the number of events, and what was wrong in it."""
    follower = store.follow(keys.all, Snapshot((), 1))
    owners: dict[str, str] = {}
    faults: list[str] = []
    events = 0
    while found := follower.next(2.0):
        for event in () if isinstance(found, Snapshot) else found:
            kind, lease = keys.split(event.key)
            events += kind in ("subnets", "owned")
            if kind == "owned":
                _take(owners, faults, lease, event.item.value if event.item else "")
    follower.close()
    return events, faults


def _take(owners: dict[str, str], faults: list[str], lease: str, value: str) -> None:
    if not value:
        owners.pop(lease, None)
        return
    node = str(json.loads(value)[OURS]["Node"])
    before = owners.get(lease)
    if before not in (None, node):
        faults.append(f"{lease} was {before}'s and became {node}'s")
    if before is None and node in owners.values():
        faults.append(f"{node} has a second lease, {lease}")
    owners[lease] = node
