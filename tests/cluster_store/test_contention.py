"""Every registry: many processes at once, and never two owners."""

from __future__ import annotations

import multiprocessing
import random
from multiprocessing.synchronize import Barrier

import pytest

from cluster_store.store import Check, Conflict, Put, Store
from tests.cluster_store.registries import MANY_KEYS_AT_ONCE, Registry

PROCESSES = 16
KEYS = [f"/net/subnets/10.0.{n}.0-24" for n in range(40)]
FORK = multiprocessing.get_context("fork")


def claim(registry: Registry, me: str, start: Barrier, won: multiprocessing.Queue[tuple[str, str]]) -> None:
    """Claim every key, in an order of one's own, and report those that were won."""
    store = registry.open()
    start.wait()
    for key in random.Random(me).sample(KEYS, len(KEYS)):
        try:
            store.commit([Check(key, 0)], [Put(key, me)])
            won.put((key, me))
        except Conflict:
            continue
    won.put(("", me))
    store.close()


def test_sixteen_processes_claim_the_same_keys(registry: Registry, store: Store) -> None:
    start, won = FORK.Barrier(PROCESSES), FORK.Queue()
    arguments = [(registry, f"node{n}", start, won) for n in range(PROCESSES)]
    processes = [FORK.Process(target=claim, args=each) for each in arguments]
    for process in processes:
        process.start()
    owners: dict[str, str] = {}
    done = 0
    while done < PROCESSES:
        key, owner = won.get(timeout=60)
        done += not key
        if key:
            assert key not in owners, f"{key} has two owners: {owners[key]} and {owner}"
            owners[key] = owner
    for process in processes:
        process.join(10)
        assert process.exitcode == 0
    assert {item.key: item.value for item in store.list("/").items} == owners
    assert sorted(owners) == sorted(KEYS)


def increase(registry: Registry, times: int, start: Barrier) -> None:
    """Add one to two keys at once, by compare and set."""
    store = registry.open()
    start.wait()
    while times:
        seen = {item.key: item for item in store.list("/pair/").items}
        value = str(int(seen["/pair/a"].value) + 1)
        try:
            checks = [Check(key, item.version) for key, item in seen.items()]
            store.commit(checks, [Put("/pair/b", value), Put("/pair/a", value)])
            times -= 1
        except Conflict:
            continue
    store.close()


@pytest.mark.needs(MANY_KEYS_AT_ONCE)
def test_two_keys_are_always_seen_alike_and_no_change_is_lost(registry: Registry, store: Store) -> None:
    store.commit([], [Put("/pair/a", "0"), Put("/pair/b", "0")])
    start = FORK.Barrier(4)
    processes = [FORK.Process(target=increase, args=(registry, 50, start)) for _ in range(4)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        first, second = store.list("/pair/").items
        assert first.value == second.value
    assert all(process.exitcode == 0 for process in processes)
    assert [item.value for item in store.list("/pair/").items] == ["200", "200"]
