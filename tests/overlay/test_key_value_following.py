"""Claims that look at what a follower knows, however old that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from cluster_store.store import Snapshot
from overlay.key_value import KeyValueRegistry
from overlay.key_value_following import FollowedTable
from overlay.lease_keys import Keys
from overlay.record import NodeRecord
from tests.overlay.records import node

KEYS = Keys()
CONF = '{"Network": "10.244.0.0/20", "SubnetLen": 24, "Backend": {"Type": "vxlan"}}'  # 15 subnets


class Unlistable(DirectoryStore):
    """A folder of which nobody may list everything: whoever follows it gets it all the same."""

    def list(self, prefix: str) -> Snapshot:
        raise AssertionError(f"{prefix} is listed")


def draft(name: str, number: int) -> NodeRecord:
    return replace(node(number), key="", subnets=(), node=name, boot=name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    one = DirectoryStore(tmp_path)
    KeyValueRegistry(one, "anybody", "").configure(CONF)
    yield one
    one.close()


def followed(store: DirectoryStore) -> FollowedTable:
    """Return what a follower knew when it began, and has not looked since."""
    table = FollowedTable(KEYS)
    follower = KeyValueRegistry(store, "follower", "", KEYS, table).follow()
    follower.next(5.0)
    follower.close()
    return table


def test_a_claim_lists_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    table = followed(store)
    registry = KeyValueRegistry(Unlistable(tmp_path), "one", "one", KEYS, table)
    assert registry.acquire(draft("one", 1)).subnets


def test_what_is_known_may_be_old(store: DirectoryStore) -> None:
    table = followed(store)
    taken = [
        KeyValueRegistry(store, name, name, KEYS, table).acquire(draft(name, number)).subnets
        for number, name in enumerate((f"node-{i}" for i in range(12)), 1)
    ]
    assert len(set(taken)) == 12


def test_a_lease_is_taken_up_again_by_what_the_follower_knows(store: DirectoryStore) -> None:
    before = followed(store)
    first = KeyValueRegistry(store, "one", "one", KEYS, before).acquire(draft("one", 1))
    after = followed(store)
    again = KeyValueRegistry(store, "one", "two", KEYS, after).acquire(draft("one", 1))
    assert again.subnets == first.subnets


def test_without_a_follower_the_leases_are_listed(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay.key_value.FOLLOWER_DEADLINE", 0.0)
    registry = KeyValueRegistry(store, "one", "one", KEYS, FollowedTable(KEYS))
    assert registry.acquire(draft("one", 1)).subnets
